//! Reads that take longer run beside the threads that serve requests: a few at a time, for a limited
//! time, and only while the client waits.

use std::sync::Arc;
use std::time::Duration;
use std::{io, thread};

use actix_web::HttpRequest;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::connections::Peer;
use super::error::ApiError;
use super::threads::{Lost, Threads};
use crate::domain::{Effort, Filter};
use crate::metrics::Breakdown;
use crate::render::RenderError;

/// How long a request may take, including the wait for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many requests may wait in a room. Each costs little more than its connection.
const MOST_WAITING: usize = 512;

/// How much longer than others a long read waits where threads compete for the processors: a thread
/// of niceness 5 gets a third of the time of one of 0.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

/// A room for each kind of reads, so that no kind waits for another.
#[derive(Debug)]
pub struct Work {
    /// Answers from the published snapshot.
    pub(super) reads: Room,
    /// Those that take milliseconds.
    pub(super) short_reads: Room,
    /// Scrapes by Prometheus.
    pub(super) metrics: Room,
    /// Queries of the history.
    past: Room,
    /// Those about a few pairs, which take milliseconds.
    short_past: Room,
    /// The threads on which reads run that are not long.
    pub(super) threads: Threads,
}

impl Work {
    /// Makes rooms of the size that suits this machine.
    ///
    /// # Errors
    /// The system starts no thread.
    pub fn new(overload: &Breakdown) -> io::Result<Self> {
        // One processor is for updates. Two places at least, so that a read of seconds does not
        // block all others.
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let threads = Threads::start()?;
        let room = |reason, places| Room::new(reason, places, &threads, overload);
        Ok(Self {
            reads: room("reads", processors.saturating_sub(1).max(2)).of_long(),
            short_reads: room("reads", 1),
            metrics: room("metrics", 1),
            past: room("history", 2).of_long(),
            short_past: room("history", 1),
            threads,
        })
    }

    /// Returns the room for a query of the history.
    pub(super) fn past(&self, filter: &Filter) -> &Room {
        if filter.names_few_pairs() { &self.short_past } else { &self.past }
    }

    /// Runs work whose result goes to several requests. There is one at a time, so it needs no turn, and
    /// it goes on when a client leaves.
    ///
    /// # Errors
    /// Those of `work`.
    pub(super) async fn for_all<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, RenderError> + Send + 'static,
    ) -> Result<T, ApiError> {
        Ok(self.threads.run(work).await??)
    }
}

/// A place where a few requests are worked on at once, while others wait for their turn.
#[derive(Debug)]
pub(super) struct Room {
    /// The label under which refused requests are counted.
    reason: &'static str,
    places: Arc<Semaphore>,
    waiting: Semaphore,
    /// Whether its reads may take seconds. They leave the processors to others then.
    is_of_long: bool,
    threads: Threads,
    overload: Breakdown,
}

impl Room {
    fn new(reason: &'static str, places: usize, threads: &Threads, overload: &Breakdown) -> Self {
        Self {
            reason,
            places: Arc::new(Semaphore::new(places)),
            waiting: Semaphore::new(MOST_WAITING),
            is_of_long: false,
            threads: threads.clone(),
            overload: overload.clone(),
        }
    }

    /// Makes it a room of long reads.
    fn of_long(self) -> Self {
        Self { is_of_long: true, ..self }
    }

    /// Runs `work` on another thread. Its effort ends when the client leaves or has waited too long.
    ///
    /// # Errors
    /// Those of `work` and of [`Room::work`].
    pub(super) async fn run<T: Send + 'static>(
        &self,
        request: &HttpRequest,
        work: impl FnOnce(&mut Effort<'_>) -> Result<T, RenderError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.work(request, |effort, _| Ok(work(effort)?)).await
    }

    /// Runs a query of the store on another thread, because decoding the rows takes a while.
    ///
    /// # Errors
    /// Those of `query` and of [`Room::work`].
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        request: &HttpRequest,
        query: impl AsyncFnOnce(&mut Effort<'_>) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let runtime = Handle::current();
        self.work(request, move |effort, given_up| {
            let answer = runtime.block_on(given_up.run_until_cancelled(query(effort)));
            answer.unwrap_or(Err(ApiError::Abandoned))
        })
        .await
    }

    /// Waits for a place, and runs `work` on another thread. Gives it up if that takes too long or the
    /// client leaves.
    ///
    /// # Errors
    /// [`ApiError::Overloaded`], [`ApiError::Abandoned`], and those of `work`.
    async fn work<T: Send + 'static>(
        &self,
        request: &HttpRequest,
        work: impl FnOnce(&mut Effort<'_>, &CancellationToken) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let done = timeout(PATIENCE, async {
            let permit = self.enter().await?;
            let given_up = CancellationToken::new();
            let _watch = given_up.clone().drop_guard();
            let work = move || {
                // The thread may work on for a while after the client has left.
                let _permit = permit;
                let mut goes_on = || !given_up.is_cancelled();
                work(&mut Effort::watched(&mut goes_on), &given_up)
            };
            if self.is_of_long {
                on_a_patient_thread(&self.threads, work).await
            } else {
                self.threads.run(work).await?
            }
        });
        let left = async {
            match Peer::of(request) {
                Some(peer) => peer.left().await,
                None => std::future::pending().await,
            }
        };
        let outcome = tokio::select! {
            outcome = done => outcome.unwrap_or(Err(ApiError::Overloaded)),
            () = left => Err(ApiError::Abandoned),
        };
        if let Err(ApiError::Overloaded) = outcome {
            self.overload.note(self.reason);
        }
        outcome
    }

    async fn enter(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(permit);
        }
        let _waiting = self.waiting.try_acquire().map_err(|_| ApiError::Overloaded)?;
        Arc::clone(&self.places).acquire_owned().await.map_err(|_| ApiError::Overloaded)
    }
}

/// Runs work on a thread that leaves the processors to others, so that updates, probes and short reads
/// do not wait for it. The thread ends with the work: a niceness cannot be taken back.
async fn on_a_patient_thread<T: Send + 'static>(
    threads: &Threads,
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let (tell, told) = oneshot::channel();
    let is_started = threads.start_own("long read", move || {
        leave_processors_to_others();
        // Nobody may wait for the result any more.
        tell.send(work()).ok();
    });
    if !is_started {
        return Err(ApiError::Overloaded);
    }
    told.await.map_err(|_| ApiError::Lost)?
}

/// Lets other threads go before this one.
pub(super) fn leave_processors_to_others() {
    // Elsewhere it would count for the whole process. If it is refused, the work is only in the way.
    #[cfg(target_os = "linux")]
    rustix::process::nice(NICENESS).ok();
}

impl From<Lost> for ApiError {
    fn from(Lost: Lost) -> Self {
        Self::Lost
    }
}
