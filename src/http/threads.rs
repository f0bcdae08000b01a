//! Threads for work beside those that serve requests. Those that have nothing to do wait a while for more,
//! because a short read takes no longer than the start of a thread.
//!
//! One of them never ends. So where the system starts no more threads, work takes longer, and nothing
//! fails. Tokio's pool would panic then, and keep work whose turn never comes.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use std::{fmt, io, thread};

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::request_log::and_others;
use super::throttle::{Subject, Throttle};
use crate::mutex::locked;

/// How long a thread waits for work before it ends.
const PATIENCE: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

/// No result: the work has panicked.
#[derive(Debug)]
pub(super) struct Lost;

/// The threads of a port.
#[derive(Clone)]
pub(super) struct Threads(Arc<Shared>);

struct Shared {
    pool: Mutex<Pool>,
    has_work: Condvar,
    /// The lines that say that no thread could be started.
    lines: Throttle,
    began: Instant,
}

struct Pool {
    queue: VecDeque<Job>,
    threads: usize,
    /// How many of the threads wait for work, or have not yet noticed that there is some.
    waiting: usize,
}

impl Threads {
    /// Starts the first thread.
    ///
    /// # Errors
    /// That of the system.
    pub(super) fn start() -> io::Result<Self> {
        let threads = Self(Arc::new(Shared {
            pool: Mutex::new(Pool { queue: VecDeque::new(), threads: 1, waiting: 0 }),
            has_work: Condvar::new(),
            lines: Throttle::default(),
            began: Instant::now(),
        }));
        threads.add()?;
        Ok(threads)
    }

    /// Runs work on one of the threads. It goes on if the caller leaves.
    ///
    /// # Errors
    /// The work has panicked.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Lost> {
        let (tell, told) = oneshot::channel();
        // Nobody may wait for the result any more.
        self.take(Box::new(move || drop(tell.send(work()))));
        told.await.map_err(|_| Lost)
    }

    fn take(&self, job: Job) {
        let mut pool = locked(&self.0.pool);
        pool.queue.push_back(job);
        if pool.queue.len() <= pool.waiting {
            self.0.has_work.notify_one();
            return;
        }
        pool.threads += 1;
        drop(pool);
        if let Err(error) = self.add() {
            // Those that are there do it later.
            locked(&self.0.pool).threads -= 1;
            self.note(&error);
        }
    }

    fn add(&self) -> io::Result<()> {
        let shared = Arc::clone(&self.0);
        thread::Builder::new().name("short read".to_owned()).spawn(move || shared.serve())?;
        Ok(())
    }

    /// Starts a thread of its own for work; returns whether there is one.
    pub(super) fn start_own(&self, name: &str, work: impl FnOnce() + Send + 'static) -> bool {
        let started = thread::Builder::new().name(name.to_owned()).spawn(work);
        started.inspect_err(|error| self.note(error)).is_ok()
    }

    /// Logs that the system starts no thread, at most once a minute.
    fn note(&self, error: &io::Error) {
        let Shared { lines, began, .. } = &*self.0;
        if let Some(left_out) = lines.admit(Subject::default(), began.elapsed()) {
            log::error!("No thread could be started for a read{}: {error}", and_others(left_out));
        }
    }
}

impl Shared {
    /// Works until there has been nothing to do for a while.
    fn serve(&self) {
        while let Some(job) = self.next() {
            // The panic has been logged, and the caller notices.
            catch_unwind(AssertUnwindSafe(job)).ok();
        }
    }

    fn next(&self) -> Option<Job> {
        let mut pool = locked(&self.pool);
        pool.waiting += 1;
        loop {
            if let Some(job) = pool.queue.pop_front() {
                pool.waiting -= 1;
                return Some(job);
            }
            let waited;
            (pool, waited) =
                self.has_work.wait_timeout(pool, PATIENCE).unwrap_or_else(PoisonError::into_inner);
            if waited.timed_out() && pool.queue.is_empty() && pool.threads > 1 {
                pool.waiting -= 1;
                pool.threads -= 1;
                return None;
            }
        }
    }
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Threads").field("threads", &locked(&self.0.pool).threads).finish()
    }
}
