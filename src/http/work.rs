//! The work of reads that takes a while: a few at a time, for some seconds, and only while somebody
//! waits for it.

use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpRequest, web};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::caller::Caller;
use super::error::ApiError;
use crate::domain::{Effort, Filter};
use crate::metrics::Breakdown;
use crate::render::RenderError;

/// How long a client waits for an answer, with the wait for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many requests may wait for a turn. Each costs little but its connection.
const MOST_WAITING: usize = 512;

/// Where the work of reads is done, each kind by itself: none waits for another.
#[derive(Debug)]
pub struct Work {
    /// Answers from the published state.
    pub(super) reads: Room,
    /// Such answers that take milliseconds.
    pub(super) short_reads: Room,
    /// What Prometheus asks for.
    pub(super) metrics: Room,
    /// Questions about the past.
    past: Room,
    /// Such questions about a few pairs, which take milliseconds.
    short_past: Room,
}

impl Work {
    /// Makes room for as much work as this machine can do beside its updates.
    #[must_use]
    pub fn new(overload: &Breakdown) -> Self {
        // One processor is for the updates. Two are at work at the least, so that a question of
        // seconds does not keep all others waiting.
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            reads: Room::new("reads", processors.saturating_sub(1).max(2), overload),
            short_reads: Room::new("reads", 1, overload),
            metrics: Room::new("metrics", 1, overload),
            past: Room::new("history", 2, overload),
            short_past: Room::new("history", 1, overload),
        }
    }

    /// Returns the room for a question about the past: a short one does not wait for long ones.
    pub(super) fn past(&self, filter: &Filter) -> &Room {
        if filter.names_few_pairs() { &self.short_past } else { &self.past }
    }
}

/// Room for a few requests that are worked on at once; others wait for their turn.
#[derive(Debug)]
pub(super) struct Room {
    /// What is counted when there are too many.
    reason: &'static str,
    places: Arc<Semaphore>,
    waiting: Semaphore,
    overload: Breakdown,
}

/// A place in a room, for as long as this lives.
struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Room {
    fn new(reason: &'static str, places: usize, overload: &Breakdown) -> Self {
        Self {
            reason,
            places: Arc::new(Semaphore::new(places)),
            waiting: Semaphore::new(MOST_WAITING),
            overload: overload.clone(),
        }
    }

    /// Does some work beside the threads that serve requests. It is told by its effort when nobody
    /// waits for it any more.
    ///
    /// # Errors
    /// Those of the work, and those of [`Room::serve`].
    pub(super) async fn run<T: Send + 'static>(
        &self,
        request: &HttpRequest,
        work: impl FnOnce(&mut Effort<'_>) -> Result<T, RenderError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.work(request, |effort, _| Ok(work(effort)?)).await
    }

    /// Asks the store something, beside the threads that serve requests: what it has read takes a
    /// while to decode.
    ///
    /// # Errors
    /// Those of the question, and those of [`Room::serve`].
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        request: &HttpRequest,
        question: impl AsyncFnOnce(&mut Effort<'_>) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let runtime = Handle::current();
        self.work(request, move |effort, given_up| {
            let answer = runtime.block_on(given_up.run_until_cancelled(question(effort)));
            answer.unwrap_or(Err(ApiError::Abandoned))
        })
        .await
    }

    async fn work<T: Send + 'static>(
        &self,
        request: &HttpRequest,
        work: impl FnOnce(&mut Effort<'_>, &CancellationToken) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.serve(request, async move |place| {
            let given_up = CancellationToken::new();
            let _watch = given_up.clone().drop_guard();
            let done = web::block(move || {
                // Held until the work has really ended.
                let _place = place;
                let mut goes_on = || !given_up.is_cancelled();
                work(&mut Effort::watched(&mut goes_on), &given_up)
            });
            done.await.map_err(|_| ApiError::Lost)?
        })
        .await
    }

    /// Waits for a place and for what is done there, unless that takes too long or the client
    /// leaves: then it is dropped.
    ///
    /// # Errors
    /// [`ApiError::Overloaded`], [`ApiError::Abandoned`], and those of what is done.
    async fn serve<T>(
        &self,
        request: &HttpRequest,
        work: impl AsyncFnOnce(Place) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let served = timeout(PATIENCE, async { work(self.place().await?).await });
        let left = async {
            match Caller::of(request) {
                Some(caller) => caller.left().await,
                None => std::future::pending().await,
            }
        };
        let outcome = tokio::select! {
            outcome = served => outcome.unwrap_or(Err(ApiError::Overloaded)),
            () = left => Err(ApiError::Abandoned),
        };
        if let Err(ApiError::Overloaded) = outcome {
            self.overload.note(self.reason);
        }
        outcome
    }

    async fn place(&self) -> Result<Place, ApiError> {
        let place = |permit| Place { _permit: permit };
        if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(place(permit));
        }
        let _waiting = self.waiting.try_acquire().map_err(|_| ApiError::Overloaded)?;
        let permit = Arc::clone(&self.places).acquire_owned().await;
        permit.map(place).map_err(|_| ApiError::Overloaded)
    }
}

/// Does work whose result goes to all who wait for it: there is one of a kind at a time, so it needs
/// no turn, and it is not given up.
///
/// # Errors
/// Those of the work.
pub(super) async fn for_all<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RenderError> + Send + 'static,
) -> Result<T, ApiError> {
    Ok(web::block(work).await.map_err(|_| ApiError::Lost)??)
}
