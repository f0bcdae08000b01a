//! Answers that are rendered while they are sent: a piece at a time, once the one before is taken.
//!
//! Such an answer holds a piece, what its other rows are made of, and where it goes on. What is no
//! longer in the published state costs memory for as long as it is held, so an answer has its time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::{BodyStream, BoxBody};
use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures_util::stream;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::yield_now;

use super::answer;
use super::coding::{Coding, Encoder};
use crate::clock::Clock;
use crate::render::{PIECE, Pieces, RenderError};

/// From how many bytes on an answer is sent in pieces.
const SMALL: usize = 2 * PIECE;

/// How long a client may take to read an answer from the published state.
const PATIENCE: Duration = Duration::from_mins(10);

/// How many answers may be compressed as they are sent, since a compressor needs up to a megabyte.
const COMPRESSED: usize = 64;

/// How many pieces are compressed at once. It takes a millisecond, which those that are served on
/// the same thread should not wait for.
const COMPRESSORS: usize = 2;

/// Why an answer ends before its end.
#[derive(Debug, Error)]
enum Broken {
    #[error(transparent)]
    Unrenderable(#[from] RenderError),
    #[error("the client has not read it within {PATIENCE:?}")]
    TooSlow,
    #[error("the thread that compressed it has died")]
    Lost,
}

/// An answer that has been begun.
pub(super) enum Begun {
    /// This is all of it.
    Small(Vec<u8>),
    /// This is all of it, in parts that other answers share.
    Ready(Vec<Bytes>),
    /// There is more to render.
    Large { beginning: Vec<u8>, rest: Box<dyn Pieces> },
}

impl Begun {
    /// Renders an answer as far as a small one goes.
    pub(super) fn new(mut pieces: impl Pieces) -> Result<Self, RenderError> {
        let mut beginning = Vec::new();
        while beginning.len() < SMALL {
            let (piece, is_last) = next(&mut pieces)?;
            if beginning.is_empty() {
                beginning = piece;
            } else {
                beginning.extend_from_slice(&piece);
            }
            if is_last {
                return Ok(Self::Small(beginning));
            }
        }
        Ok(Self::Large { beginning, rest: Box::new(pieces) })
    }

    /// Codes an answer that is small; others are coded as they are sent.
    pub(super) fn coded(self, coding: Coding) -> Result<Self, RenderError> {
        match (coding, self) {
            (Coding::Identity, plain) => Ok(plain),
            (_, Self::Small(whole)) => Ok(Self::Small(coding.encode(&[whole.into()])?.into())),
            (_, Self::Ready(parts)) => Self::new(VecDeque::from(parts))?.coded(coding),
            (_, large @ Self::Large { .. }) => Ok(large),
        }
    }
}

/// Renders the next piece, and says whether it is the last one.
fn next(pieces: &mut (impl Pieces + ?Sized)) -> Result<(Vec<u8>, bool), RenderError> {
    // With room for the end of a usual row.
    let mut piece = Vec::with_capacity(PIECE + PIECE / 8);
    let has_more = pieces.write(&mut piece)?;
    Ok((piece, !has_more))
}

/// What the answers have in common that are rendered as they are sent.
pub struct Sending {
    clock: Arc<dyn Clock>,
    compressed: Arc<Semaphore>,
    compressors: Arc<Semaphore>,
}

/// The right to compress an answer as it is sent, or to send it as it is.
pub(super) struct Place {
    pub(super) coding: Coding,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Sending {
    /// Makes places for answers.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            compressed: Arc::new(Semaphore::new(COMPRESSED)),
            compressors: Arc::new(Semaphore::new(COMPRESSORS)),
        }
    }

    /// Takes a place for an answer: in the coding that was asked for, or in none if too many are
    /// being compressed. Clients have to understand that one too.
    pub(super) fn place(&self, asked: Coding) -> Place {
        let permit = match asked {
            Coding::Identity => None,
            Coding::Gzip | Coding::Brotli => Arc::clone(&self.compressed).try_acquire_owned().ok(),
        };
        let coding = if permit.is_some() { asked } else { Coding::Identity };
        Place { coding, _permit: permit }
    }

    /// Returns the body of an answer that is ready. Its parts are shared with other answers, but
    /// cost as much as any others once what they were made of has changed.
    pub(super) fn ready(&self, parts: Vec<Bytes>) -> BoxBody {
        let deadline = self.deadline();
        answer::in_time(parts, move || deadline.check())
    }

    fn deadline(&self) -> Deadline {
        let clock = Arc::clone(&self.clock);
        Deadline { at: clock.monotonic() + PATIENCE, clock }
    }

    /// Answers GET with JSON that may be another thing at the next moment.
    pub(super) fn fleeting(
        &self,
        request: &HttpRequest,
        begun: Begun,
        place: Place,
    ) -> HttpResponse {
        let mut response = answer::described("application/json", "no-store", place.coding);
        response.body(self.body(begun, place, request.method() != Method::HEAD))
    }

    /// Returns the body of an answer; without its bytes, if it is not wanted.
    pub(super) fn body(&self, begun: Begun, place: Place, is_wanted: bool) -> BoxBody {
        let (beginning, rest) = match begun {
            Begun::Small(whole) => return answer::in_pieces(vec![whole.into()]),
            Begun::Ready(parts) => return self.ready(parts),
            Begun::Large { beginning, rest } => (beginning, rest),
        };
        if !is_wanted {
            return BoxBody::new(BodyStream::new(stream::empty::<Result<Bytes, Broken>>()));
        }
        let work = Work {
            beginning: Some(beginning),
            rest: Some(rest),
            encoder: Encoder::new(place.coding),
        };
        let sent = Sent {
            work: Some(work),
            deadline: self.deadline(),
            compressors: Arc::clone(&self.compressors),
            place,
        };
        let pieces = stream::unfold(sent, async |mut sent| {
            let piece = sent.next().await.transpose()?;
            Some((piece, sent))
        });
        BoxBody::new(BodyStream::new(Box::pin(pieces)))
    }
}

/// What has to be done for the pieces of an answer.
struct Work {
    beginning: Option<Vec<u8>>,
    /// `None` once the last piece has been rendered.
    rest: Option<Box<dyn Pieces>>,
    encoder: Encoder,
}

impl Work {
    /// Makes the next piece; it may be empty, since a compressor gathers what it gets.
    fn next(&mut self) -> Result<Option<Bytes>, RenderError> {
        let Some(rest) = &mut self.rest else { return Ok(None) };
        let (piece, is_last) = match self.beginning.take() {
            Some(beginning) => (beginning, false),
            None => next(&mut **rest)?,
        };
        if is_last {
            self.rest = None;
        }
        self.encoder.encode(piece, is_last).map(Some)
    }
}

/// Until when an answer has to be read.
struct Deadline {
    at: Duration,
    clock: Arc<dyn Clock>,
}

impl Deadline {
    fn check(&self) -> Result<(), Broken> {
        if self.clock.monotonic() > self.at { Err(Broken::TooSlow) } else { Ok(()) }
    }
}

/// An answer on its way.
struct Sent {
    /// `None` while it is being done.
    work: Option<Work>,
    deadline: Deadline,
    compressors: Arc<Semaphore>,
    place: Place,
}

impl Sent {
    /// Returns the next piece, once the connection has room for it; `None` is the end.
    async fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        self.deadline.check()?;
        loop {
            let piece = match self.place.coding {
                Coding::Identity => self.render().await?,
                Coding::Gzip | Coding::Brotli => self.compress().await?,
            };
            if piece.as_ref().is_none_or(|piece| !piece.is_empty()) {
                return Ok(piece);
            }
        }
    }

    /// Renders a piece here: it takes some tens of microseconds.
    async fn render(&mut self) -> Result<Option<Bytes>, Broken> {
        // A quick reader would get all pieces in one go, while others wait for this thread.
        yield_now().await;
        Ok(self.work.as_mut().ok_or(Broken::Lost)?.next()?)
    }

    /// Renders and compresses a piece beside the threads that serve requests.
    async fn compress(&mut self) -> Result<Option<Bytes>, Broken> {
        let mut work = self.work.take().ok_or(Broken::Lost)?;
        let _turn = self.compressors.acquire().await.map_err(|_| Broken::Lost)?;
        let done = web::block(move || {
            let piece = work.next();
            (work, piece)
        });
        let (work, piece) = done.await.map_err(|_| Broken::Lost)?;
        self.work = Some(work);
        Ok(piece?)
    }
}
