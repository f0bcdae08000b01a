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
use super::coding::Coding;
use crate::mutex::locked;

/// How many texts are in memory at once: two Prometheus that scrape at the same moment, and as many
/// again.
const MOST: usize = 4;

/// How long a client has to read a text before it is given up for another one. Meanwhile, those who ask
/// share the newest text.
const HEAD_START: Duration = Duration::from_secs(1);

/// The texts that are being sent, in the order in which they began.
#[derive(Debug, Default)]
pub struct Scrapes(Mutex<VecDeque<Weak<Text>>>);

/// A text that is being sent to one client or more.
#[derive(Debug)]
struct Text {
    coding: Coding,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When the last of its clients asked, by the monotonic clock.
    asked_at: Duration,
    /// `None` if the text was given up.
    parts: Option<Vec<Bytes>>,
}

/// What one client has read of a text.
struct Reader {
    text: Arc<Text>,
    part: usize,
    offset: usize,
}

/// The client has not read its text while others wanted theirs.
#[derive(Debug, Error)]
#[error("the client has not read the metrics, and others have asked for them")]
struct GivenUp;

impl Scrapes {
    /// Returns the body of a text. Gives up the oldest text if there are too many; while that is new,
    /// the body is that of the newest text.
    pub(super) fn body(&self, parts: Vec<Bytes>, coding: Coding, now: Duration) -> BoxBody {
        if length(&parts) <= PIECE {
            return answer::in_pieces(parts);
        }
        let state = Mutex::new(State { asked_at: now, parts: Some(parts) });
        let text = self.admit(Text { coding, state }, now);
        let length = locked(&text.state).parts.as_deref().map_or(0, length);
        let mut reader = Reader { text, part: 0, offset: 0 };
        let pieces = stream::iter(std::iter::from_fn(move || reader.next_piece()));
        BoxBody::new(SizedStream::new(length as u64, pieces))
    }

    /// Returns the text to be sent instead of a new one, or that one.
    fn admit(&self, text: Text, now: Duration) -> Arc<Text> {
        let mut sent = locked(&self.0);
        sent.retain(|text| text.strong_count() > 0);
        if sent.len() >= MOST
            && let Some(oldest) = sent.front().and_then(Weak::upgrade)
        {
            let is_new = now.saturating_sub(locked(&oldest.state).asked_at) < HEAD_START;
            let mut newest = sent.iter().rev().filter_map(Weak::upgrade);
            if is_new && let Some(newest) = newest.find(|sent| sent.coding == text.coding) {
                locked(&newest.state).asked_at = now;
                return newest;
            }
            locked(&oldest.state).parts = None;
            sent.pop_front();
        }
        let text = Arc::new(text);
        sent.push_back(Arc::downgrade(&text));
        text
    }
}

fn length(parts: &[Bytes]) -> usize {
    parts.iter().map(Bytes::len).sum()
}

impl Reader {
    fn next_piece(&mut self) -> Option<Result<Bytes, GivenUp>> {
        let state = locked(&self.text.state);
        let Some(parts) = &state.parts else { return Some(Err(GivenUp)) };
        let part = parts.get(self.part)?;
        let end = part.len().min(self.offset + PIECE);
        let piece = part.slice(self.offset..end);
        if end == part.len() {
            (self.part, self.offset) = (self.part + 1, 0);
        } else {
            self.offset = end;
        }
        Some(Ok(piece))
    }
}
