//! The gate that readers pass on their way to the database.
//!
//! SQLite restarts its log from the beginning only at a moment when no connection reads from it.
//! Overlapping readers leave no such moment. The gate makes one: it closes, the readers inside
//! leave, and the log restarts. Everything that reads beside the writer has to hold a [`Pass`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use crate::store::StoreError;

/// The longest wait at a closed gate. It opens much sooner, unless the writer waits for a disk that
/// hangs.
const PATIENCE: Duration = Duration::from_secs(3);

/// Counts the readers inside, and keeps others waiting while it is closed.
#[derive(Debug, Default)]
pub(super) struct Gate {
    doorway: watch::Sender<Doorway>,
    is_clearing: Arc<AtomicBool>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Doorway {
    is_closed: bool,
    inside: usize,
}

/// The right to read, until it is dropped.
pub(super) struct Pass<'a>(&'a Gate);

impl Gate {
    /// Waits until the gate is open, and enters.
    pub(super) async fn enter(&self) -> Result<Pass<'_>, StoreError> {
        let pass = tokio::time::timeout(PATIENCE, self.wait_and_enter()).await;
        pass.map_err(|_| StoreError::Interrupted)
    }

    async fn wait_and_enter(&self) -> Pass<'_> {
        let mut doorway = self.doorway.subscribe();
        loop {
            // This fails only once the gate itself is gone.
            doorway.wait_for(|doorway| !doorway.is_closed).await.ok();
            let mut has_entered = false;
            self.doorway.send_if_modified(|doorway| {
                has_entered = !doorway.is_closed;
                doorway.inside += usize::from(has_entered);
                false
            });
            if has_entered {
                return Pass(self);
            }
        }
    }

    /// Lets no more readers in. Those inside may finish.
    pub(super) fn close(&self) {
        self.doorway.send_if_modified(|doorway| !std::mem::replace(&mut doorway.is_closed, true));
    }

    /// Interrupts the readers inside, until the gate is opened.
    pub(super) fn clear(&self) {
        self.is_clearing.store(true, Ordering::Relaxed);
    }

    /// Lets readers in again, and interrupts no more.
    pub(super) fn open(&self) {
        self.is_clearing.store(false, Ordering::Relaxed);
        self.doorway.send_if_modified(|doorway| std::mem::take(&mut doorway.is_closed));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.doorway.borrow().inside == 0
    }

    /// Returns the flag that tells the readers inside to stop, for SQLite's progress handler.
    pub(super) fn clearing(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_clearing)
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.0.doorway.send_if_modified(|doorway| {
            doorway.inside = doorway.inside.saturating_sub(1);
            false
        });
    }
}
