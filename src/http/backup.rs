//! `GET /api/backup`: a whole copy of the database, one at a time.
//!
//! The copy is made and read on a thread of its own, which leaves the processors to others. It has no
//! name any more when it is sent, so nothing is left of it whatever happens.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::{BodyStream, BoxBody, SizedStream};
use actix_web::http::Method;
use actix_web::http::header::CONTENT_DISPOSITION;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream;
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::answer::{self, PIECE};
use super::caller::Caller;
use super::coding::{Coding, Encoder};
use super::connections::Peer;
use super::error::ApiError;
use super::request_log::Asked;
use super::services::Services;
use super::work::leave_processors_to_others;
use crate::board::{BackupError, Board, Copied};
use crate::clock::Clock;
use crate::render::RenderError;

/// How long a request waits for the end of another one's copy.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long a client may take to read a copy.
const MOST_TIME: Duration = Duration::from_hours(1);

/// Lets one client after the other take a copy.
#[derive(Debug)]
pub struct BackupTurn(Arc<Semaphore>);

impl Default for BackupTurn {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

/// Why an answer breaks off.
#[derive(Debug, Error)]
enum Broken {
    #[error("the copy cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error(transparent)]
    Unencodable(#[from] RenderError),
    #[error("the client has not read it within {MOST_TIME:?}")]
    TooSlow,
}

/// The pieces of a copy that is being sent.
type Pieces = Receiver<Result<Bytes, Broken>>;

/// A copy that is ready to be sent.
struct Ready {
    bytes: u64,
    sha256: [u8; 32],
    pieces: Pieces,
}

/// `GET /api/backup`
pub(super) async fn backup(
    _: Caller,
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    if !services.board.can_be_copied() {
        return Err(ApiError::NotBackedUp(BackupError::ByOtherMeans));
    }
    let coding = Coding::negotiate(request.headers());
    let mut response = answer::head("application/vnd.sqlite3", "no-store", coding);
    let name = services.clock.read().wall.for_names();
    let name = format!("attachment; filename=\"gitops-status-{name}.db\"");
    response.insert_header((CONTENT_DISPOSITION, name));
    if request.method() == Method::HEAD {
        return Ok(response.body(BodyStream::new(stream::empty::<Result<Bytes, Broken>>())));
    }
    let left = async {
        match Peer::of(&request) {
            Some(peer) => peer.left().await,
            None => std::future::pending().await,
        }
    };
    let Ready { bytes, sha256, pieces } = tokio::select! {
        ready = ready(&request, &services, coding) => ready?,
        () = left => return Err(ApiError::Abandoned),
    };
    let pieces = stream::unfold(pieces, async |mut pieces| Some((pieces.recv().await?, pieces)));
    if coding != Coding::Identity {
        return Ok(response.body(BodyStream::new(Box::pin(pieces))));
    }
    let digest = format!("sha-256=:{}:", STANDARD.encode(sha256));
    response.insert_header(("Repr-Digest", digest));
    Ok(response.body(BoxBody::new(SizedStream::new(bytes, Box::pin(pieces)))))
}

/// Waits for its turn, and for a copy. Giving up this future gives up the copy.
async fn ready(
    request: &HttpRequest,
    services: &Services,
    coding: Coding,
) -> Result<Ready, ApiError> {
    let turn = timeout(PATIENCE, Arc::clone(&services.backup_turn.0).acquire_owned());
    let turn = turn.await.ok().and_then(Result::ok).ok_or(ApiError::BackupUnderWay)?;
    let stop = CancellationToken::new();
    let _given_up = stop.clone().drop_guard();
    let (tell, told) = oneshot::channel();
    let making = Making {
        board: services.board.clone(),
        clock: Arc::clone(&services.clock),
        asked: Asked::of(request),
        coding,
        stop,
        _turn: turn,
    };
    let runtime = Handle::current();
    if !services.work.threads.start_own("backup", move || making.run(&runtime, tell)) {
        return Err(ApiError::Overloaded);
    }
    Ok(told.await.map_err(|_| ApiError::Lost)??)
}

/// What the thread of a copy needs.
struct Making {
    board: Board,
    clock: Arc<dyn Clock>,
    asked: Asked,
    coding: Coding,
    stop: CancellationToken,
    _turn: OwnedSemaphorePermit,
}

impl Making {
    /// Makes a copy, and sends it until its client has all of it or leaves.
    fn run(self, runtime: &Handle, tell: oneshot::Sender<Result<Ready, BackupError>>) {
        leave_processors_to_others();
        let copied = runtime.block_on(self.board.back_up(self.stop.clone()));
        let Copied { file, bytes, sha256, at: _ } = match copied {
            Ok(copied) => copied,
            Err(error) => {
                // If the client has left, nobody wants to know.
                tell.send(Err(error)).ok();
                return;
            }
        };
        let (sender, pieces) = channel(1);
        if tell.send(Ok(Ready { bytes, sha256, pieces })).is_err() {
            return;
        }
        if let Err(broken) = self.send(file, bytes, &sender) {
            if !matches!(broken, Broken::TooSlow) {
                self.asked.note_broken(&broken);
            }
            sender.blocking_send(Err(broken)).ok();
        }
    }

    fn send(
        &self,
        mut file: File,
        bytes: u64,
        sender: &Sender<Result<Bytes, Broken>>,
    ) -> Result<(), Broken> {
        let end = self.clock.monotonic() + MOST_TIME;
        let mut encoder = Encoder::new(self.coding);
        let mut left = bytes;
        while left > 0 {
            if self.clock.monotonic() > end {
                return Err(Broken::TooSlow);
            }
            let mut piece = vec![0; PIECE.min(usize::try_from(left).unwrap_or(PIECE))];
            file.read_exact(&mut piece)?;
            left = left.saturating_sub(piece.len() as u64);
            let piece = encoder.encode(piece, left == 0)?;
            if !piece.is_empty() && sender.blocking_send(Ok(piece)).is_err() {
                // The client has left.
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Says why there is no backup, and what to do instead.
pub(super) fn reason_for_none(error: &BackupError) -> Cow<'static, str> {
    Cow::Borrowed(match error {
        BackupError::ByOtherMeans => {
            "The database is one of PostgreSQL, which has tools of its own: back it up by pg_dump, by \
             pg_basebackup with an archive of its log, or by `gitops-status-server export`"
        }
        BackupError::NoRoom { needed, free } => {
            return Cow::Owned(format!(
                "There is no room for a copy beside the database: it needs {needed} bytes, of which \
                 64 MiB stay free, and {free} bytes are free"
            ));
        }
        BackupError::Damaged(_) => {
            "The copy is not sound, so the database is damaged: see docs/damage.md and the server's \
             log, and keep the backups from before"
        }
        BackupError::GivenUp => "The backup was given up, since nobody waits for it",
        BackupError::Failed(_) => {
            "The database cannot be copied; try again, and see the server's log"
        }
    })
}
