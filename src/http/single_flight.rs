//! Work that is done once for all who wait for it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as Turns, OnceCell};

/// Something that takes a while to make and is out of date soon.
///
/// One is made at a time, and it goes to all who had asked for it when it was begun: many who wait
/// cost as much as one, and nobody gets what was begun before he asked.
#[derive(Debug)]
pub(super) struct SingleFlight<T> {
    /// Where the next one is going to be.
    next: Mutex<Arc<OnceCell<T>>>,
    turn: Turns<()>,
}

impl<T> Default for SingleFlight<T> {
    fn default() -> Self {
        Self { next: Mutex::default(), turn: Turns::default() }
    }
}

impl<T: Clone> SingleFlight<T> {
    /// Waits for the next one, and makes it if nobody else has.
    ///
    /// # Errors
    /// Those of making it; whoever else waits tries again.
    pub(super) async fn get<E>(&self, make: impl AsyncFnOnce() -> Result<T, E>) -> Result<T, E> {
        let mine = Arc::clone(&self.next.lock().unwrap_or_else(PoisonError::into_inner));
        let _turn = self.turn.lock().await;
        let value = mine.get_or_try_init(async || {
            *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Arc::default();
            make().await
        });
        value.await.cloned()
    }
}
