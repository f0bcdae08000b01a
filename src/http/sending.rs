//! Answers that are rendered while they are sent: each piece once the client has taken the one before.
//!
//! Such an answer holds one piece and the entries that are still to be written. Entries that are no
//! longer in the published snapshot cost memory until then, so a client gets limited time to read.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::{BodyStream, BoxBody};
use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use futures_util::stream;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::yield_now;

use super::answer;
use super::coding::{Coding, Encoder};
use super::request_log::Asked;
use super::threads::{Lost, Threads};
use super::work::Work;
use crate::clock::Clock;
use crate::render::{PIECE, Pieces, RenderError};

/// Longer answers are sent in pieces.
const SMALL: usize = 2 * PIECE;

/// How long a client may take to read an answer.
const PATIENCE: Duration = Duration::from_mins(10);

/// How many answers are compressed while they are sent. Each encoder takes up to a megabyte.
const COMPRESSED: usize = 64;

/// How many pieces are compressed at once. A piece takes a millisecond, so this is not done on the
/// threads that serve requests.
const COMPRESSORS: usize = 2;

/// Why an answer breaks off.
#[derive(Debug, Error)]
enum Broken {
    #[error(transparent)]
    Unrenderable(#[from] RenderError),
    #[error("the client has not read it within {PATIENCE:?}")]
    TooSlow,
    #[error("the thread that compressed it panicked")]
    Lost,
}

/// A body that is rendered, at least its beginning.
pub(super) enum Rendering {
    /// A whole body.
    Small(Vec<u8>),
    /// A whole body, in parts that are shared with other answers.
    Ready(Vec<Bytes>),
    /// The beginning of a body, and a source of the rest.
    Large { beginning: Vec<u8>, rest: Box<dyn Pieces> },
}

impl Rendering {
    /// Renders a body up to the size of a small one.
    pub(super) fn begin(mut pieces: impl Pieces) -> Result<Self, RenderError> {
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

    /// Encodes a small body. Others are encoded while they are sent.
    pub(super) fn coded(self, coding: Coding) -> Result<Self, RenderError> {
        match (coding, self) {
            (Coding::Identity, plain) => Ok(plain),
            (_, Self::Small(whole)) => Ok(Self::Small(coding.encode(&[whole.into()])?.into())),
            (_, Self::Ready(parts)) => Self::begin(VecDeque::from(parts))?.coded(coding),
            (_, large @ Self::Large { .. }) => Ok(large),
        }
    }
}

/// Renders the next piece, and says whether it is the last one.
fn next(pieces: &mut (impl Pieces + ?Sized)) -> Result<(Vec<u8>, bool), RenderError> {
    // A piece ends with a row, so it may be a little longer.
    let mut piece = Vec::with_capacity(PIECE + PIECE / 8);
    let has_more = pieces.write(&mut piece)?;
    Ok((piece, !has_more))
}

/// The limits that are shared by all answers that are rendered while they are sent.
pub struct Sending {
    clock: Arc<dyn Clock>,
    compressed: Arc<Semaphore>,
    compressors: Arc<Semaphore>,
    threads: Threads,
}

/// The coding that an answer is sent in, and with it the right to hold an encoder.
pub(super) struct Grant {
    pub(super) coding: Coding,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Sending {
    /// Returns the limits, none of them used. The threads of other work compress.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, work: &Work) -> Self {
        Self {
            clock,
            compressed: Arc::new(Semaphore::new(COMPRESSED)),
            compressors: Arc::new(Semaphore::new(COMPRESSORS)),
            threads: work.threads.clone(),
        }
    }

    /// Grants the coding that a client asked for; or no compression, which every client accepts, if too
    /// many answers are being compressed.
    pub(super) fn grant(&self, asked: Coding) -> Grant {
        let permit = match asked {
            Coding::Identity => None,
            Coding::Gzip | Coding::Brotli => Arc::clone(&self.compressed).try_acquire_owned().ok(),
        };
        let coding = if permit.is_some() { asked } else { Coding::Identity };
        Grant { coding, _permit: permit }
    }

    /// Returns a body of shared parts. Once their segments have changed, only answers keep the parts in
    /// memory, so the client gets limited time here too.
    pub(super) fn ready(&self, parts: Vec<Bytes>) -> BoxBody {
        let deadline = self.deadline();
        answer::in_time(parts, move || deadline.check())
    }

    fn deadline(&self) -> Deadline {
        let clock = Arc::clone(&self.clock);
        Deadline { at: clock.monotonic() + PATIENCE, clock }
    }

    /// 200 with JSON that nobody may keep.
    pub(super) fn json(
        &self,
        request: &HttpRequest,
        rendering: Rendering,
        grant: Grant,
    ) -> HttpResponse {
        let mut response = answer::head("application/json", "no-store", grant.coding);
        response.body(self.body(request, rendering, grant))
    }

    /// Returns a body. The rest of a large one is not rendered for HEAD, which does not want it.
    pub(super) fn body(
        &self,
        request: &HttpRequest,
        rendering: Rendering,
        grant: Grant,
    ) -> BoxBody {
        let (beginning, rest) = match rendering {
            Rendering::Small(whole) => return answer::in_pieces(vec![whole.into()]),
            Rendering::Ready(parts) => return self.ready(parts),
            Rendering::Large { beginning, rest } => (beginning, rest),
        };
        if request.method() == Method::HEAD {
            return BoxBody::new(BodyStream::new(stream::empty::<Result<Bytes, Broken>>()));
        }
        let source = Source {
            beginning: Some(beginning),
            rest: Some(rest),
            encoder: Encoder::new(grant.coding),
        };
        let transfer = Transfer {
            asked: Asked::of(request),
            source: Some(source),
            deadline: self.deadline(),
            compressors: Arc::clone(&self.compressors),
            threads: self.threads.clone(),
            grant,
        };
        let pieces = stream::unfold(transfer, async |mut transfer| {
            let piece = transfer.next().await.transpose()?;
            Some((piece.inspect_err(|broken| transfer.note(broken)), transfer))
        });
        BoxBody::new(BodyStream::new(Box::pin(pieces)))
    }
}

/// Makes the pieces of an answer.
struct Source {
    beginning: Option<Vec<u8>>,
    /// `None` once the last piece has been rendered.
    rest: Option<Box<dyn Pieces>>,
    encoder: Encoder,
}

impl Source {
    /// Returns the next piece. It may be empty, because an encoder gathers input before it writes.
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

/// The time by which an answer must be read.
struct Deadline {
    at: Duration,
    clock: Arc<dyn Clock>,
}

impl Deadline {
    fn check(&self) -> Result<(), Broken> {
        if self.clock.monotonic() > self.at { Err(Broken::TooSlow) } else { Ok(()) }
    }
}

/// An answer that is being sent.
struct Transfer {
    asked: Asked,
    /// `None` while another thread makes a piece.
    source: Option<Source>,
    deadline: Deadline,
    compressors: Arc<Semaphore>,
    threads: Threads,
    grant: Grant,
}

impl Transfer {
    /// Returns the next piece; `None` ends the answer. The connection asks when it has room for more.
    async fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        self.deadline.check()?;
        loop {
            let piece = match self.grant.coding {
                Coding::Identity => self.render().await?,
                Coding::Gzip | Coding::Brotli => self.compress().await?,
            };
            if piece.as_ref().is_none_or(|piece| !piece.is_empty()) {
                return Ok(piece);
            }
        }
    }

    /// Logs why the answer breaks off, unless its client is the reason.
    fn note(&self, broken: &Broken) {
        match broken {
            Broken::Unrenderable(_) | Broken::Lost => self.asked.note_broken(broken),
            Broken::TooSlow => {}
        }
    }

    /// Renders a piece on this thread, in some tens of microseconds.
    async fn render(&mut self) -> Result<Option<Bytes>, Broken> {
        // Otherwise a fast reader would get all pieces in one go while other requests wait.
        yield_now().await;
        Ok(self.source.as_mut().ok_or(Broken::Lost)?.next()?)
    }

    /// Renders and compresses a piece on another thread.
    async fn compress(&mut self) -> Result<Option<Bytes>, Broken> {
        let mut source = self.source.take().ok_or(Broken::Lost)?;
        let _compressor = self.compressors.acquire().await.map_err(|_| Broken::Lost)?;
        let done = self.threads.run(move || {
            let piece = source.next();
            (source, piece)
        });
        let (source, piece) = done.await.map_err(|Lost| Broken::Lost)?;
        self.source = Some(source);
        Ok(piece?)
    }
}
