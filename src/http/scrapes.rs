//! The texts of scrapes that are being sent. A text has megabytes and is rendered as a whole, so only a
//! few are in memory at once, whatever their clients read.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use actix_web::body::{BoxBody, SizedStream};
use bytes::Bytes;
use futures_util::stream;
use thiserror::Error;

use super::answer::{self, PIECE};
use crate::mutex::locked;

/// How many texts are in memory at once: two Prometheus that scrape at the same moment, and as many
/// again.
const MOST: usize = 4;

/// How long a client has to read a text before it is given up for another one.
const HEAD_START: Duration = Duration::from_secs(1);

/// The texts that are being sent, in the order in which they began.
#[derive(Debug, Default)]
pub struct Scrapes(Mutex<VecDeque<Weak<Text>>>);

/// A text that is being sent.
#[derive(Debug)]
struct Text {
    /// By the monotonic clock.
    began: Duration,
    /// What has not been handed over; `None` if the text was given up.
    rest: Mutex<Option<VecDeque<Bytes>>>,
}

/// The client has not read its text while others wanted theirs.
#[derive(Debug, Error)]
#[error("the client has not read the metrics, and others have asked for them")]
struct GivenUp;

impl Scrapes {
    /// Returns the body of a text. Gives up the oldest one if there are too many; `None` if that has
    /// just begun.
    pub(super) fn body(&self, parts: Vec<Bytes>, now: Duration) -> Option<BoxBody> {
        let length: usize = parts.iter().map(Bytes::len).sum();
        if length <= PIECE {
            return Some(answer::in_pieces(parts));
        }
        let text = Arc::new(Text { began: now, rest: Mutex::new(Some(parts.into())) });
        self.admit(&text, now)?;
        let pieces = stream::iter(std::iter::from_fn(move || text.next_piece()));
        Some(BoxBody::new(SizedStream::new(length as u64, pieces)))
    }

    fn admit(&self, text: &Arc<Text>, now: Duration) -> Option<()> {
        let mut sent = locked(&self.0);
        sent.retain(|text| text.strong_count() > 0);
        if sent.len() >= MOST
            && let Some(oldest) = sent.front().and_then(Weak::upgrade)
        {
            if now.saturating_sub(oldest.began) < HEAD_START {
                return None;
            }
            *locked(&oldest.rest) = None;
            sent.pop_front();
        }
        sent.push_back(Arc::downgrade(text));
        Some(())
    }
}

impl Text {
    fn next_piece(&self) -> Option<Result<Bytes, GivenUp>> {
        let mut rest = locked(&self.rest);
        let Some(parts) = &mut *rest else { return Some(Err(GivenUp)) };
        let part = parts.front_mut()?;
        let piece = part.split_to(part.len().min(PIECE));
        if part.is_empty() {
            parts.pop_front();
        }
        Some(Ok(piece))
    }
}
