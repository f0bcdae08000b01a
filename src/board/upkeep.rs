//! When there is time to keep the store small: while no update waits, and not soon after a failure.

use crate::store::StoreError;

/// For how many ticks no time is taken after a failure: a minute. What fails for want of space
/// should not be tried again and again.
const PAUSE: u32 = 240;

/// Counts the ticks until time is taken again.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    pause: u32,
}

impl Upkeep {
    /// Whether there is time at this tick.
    pub(super) fn has_time(&mut self, is_idle: bool) -> bool {
        let is_over = self.pause == 0;
        self.pause = self.pause.saturating_sub(1);
        is_over && is_idle
    }

    pub(super) fn note(&mut self, outcome: Result<(), StoreError>) {
        if let Err(error) = outcome {
            if self.pause == 0 {
                log::warn!("The database could not be made smaller, which is tried again: {error}");
            }
            self.pause = PAUSE;
        }
    }
}
