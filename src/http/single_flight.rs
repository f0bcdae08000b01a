//! One computation for all callers that wait for its result.

use std::sync::{Arc, Mutex};

use tokio::sync::{Mutex as AsyncMutex, OnceCell};

use crate::mutex::locked;

/// Coalesces concurrent callers: one computation runs at a time, and its result goes to everyone who
/// was waiting when it started. Nobody receives a result that was started before they asked.
#[derive(Debug)]
pub(super) struct SingleFlight<T> {
    /// Holds the result of the computation that starts next.
    next: Mutex<Arc<OnceCell<T>>>,
    running: AsyncMutex<()>,
}

impl<T> Default for SingleFlight<T> {
    fn default() -> Self {
        Self { next: Mutex::default(), running: AsyncMutex::default() }
    }
}

impl<T: Clone> SingleFlight<T> {
    /// Waits for the result of the next computation, and runs it if no other caller has.
    ///
    /// # Errors
    /// Those of `make`. The next caller in the queue then tries again.
    pub(super) async fn get<E>(&self, make: impl AsyncFnOnce() -> Result<T, E>) -> Result<T, E> {
        let mine = Arc::clone(&locked(&self.next));
        let _running = self.running.lock().await;
        let value = mine.get_or_try_init(async || {
            *locked(&self.next) = Arc::default();
            make().await
        });
        value.await.cloned()
    }
}
