//! The checker: looks through the whole store for damage, soon after the start and then daily.
//!
//! It pauses for most of the time, so that it delays nothing else, and hurries only if it would take
//! longer than an hour.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::board::Board;
use super::published::Published;
use crate::clock::Clock;
use crate::store::{Examination, Examined, Part, Store, StoreError};

/// The time from the start to the first check.
const FIRST: Duration = Duration::from_secs(10);
/// The time from the beginning of a check to the next.
const PERIOD: Duration = Duration::from_hours(24);
/// The time to the next check after one that failed.
const AGAIN: Duration = Duration::from_mins(10);
/// The time between two looks at the clock.
const TICK: Duration = Duration::from_millis(250);
/// The longest time that a check takes, if shorter pauses can achieve that.
const TARGET: Duration = Duration::from_mins(40);
/// The time before a check can count as late.
const SLACK: Duration = Duration::from_mins(1);
/// The shortest pause between two pieces.
const PAUSE: Duration = Duration::from_millis(10);
/// The longest pause: after a disk has hung for minutes, the check must not pause for an hour.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// The length of a pause in multiples of the time that the piece before it took.
const REST: u32 = 49;

/// Looks for damage for as long as the application runs.
pub struct Checker {
    published: Arc<Published>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// When the next check begins, by the monotonic clock.
    due: Duration,
    stop: CancellationToken,
}

impl Checker {
    /// Makes the checker of a board's store.
    #[must_use]
    pub fn new(board: &Board, clock: Arc<dyn Clock>) -> Self {
        let (published, store) = (Arc::clone(&board.published), Arc::clone(&board.store));
        let due = clock.monotonic() + FIRST;
        Self { published, store, clock, due, stop: CancellationToken::new() }
    }

    /// Runs until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        self.stop = stop;
        while self.wait(TICK).await {
            let began = self.clock.monotonic();
            if began < self.due {
                continue;
            }
            self.due = match self.check().await {
                Ok(()) => began + PERIOD,
                Err(error) => {
                    log::warn!("The database could not be looked through: {error}");
                    self.clock.monotonic() + AGAIN
                }
            };
        }
    }

    /// Checks everything. Reports damage as soon as it is found, and until a check finds none.
    async fn check(&self) -> Result<(), StoreError> {
        let mut examination = self.store.examine().await?;
        let found = self.check_by(examination.as_mut()).await;
        examination.close().await;
        let Some(found) = found? else { return Ok(()) };
        let is_sound = found.is_empty();
        let was_sound = self.published.note_check(found, self.clock.read().wall);
        if is_sound && !was_sound {
            log::info!("The database has no damage any more");
        }
        Ok(())
    }

    /// Returns the damaged parts, or `None` if it is time to stop.
    async fn check_by(
        &self,
        examination: &mut dyn Examination,
    ) -> Result<Option<BTreeSet<Part>>, StoreError> {
        let mut found = BTreeSet::new();
        let began = self.clock.monotonic();
        let mut piece_began = began;
        while let Some(Examined { damage, progress }) = examination.next().await? {
            if let Some((part, reason)) = damage
                && found.insert(part)
            {
                self.note(part, &reason);
            }
            let now = self.clock.monotonic();
            let took = now.saturating_sub(piece_began);
            if !self.wait(pause(took, now.saturating_sub(began), progress)).await {
                return Ok(None);
            }
            piece_began = self.clock.monotonic();
        }
        Ok(Some(found))
    }

    fn note(&self, part: Part, reason: &str) {
        log::error!("{} ({reason}). docs/damage.md says what to do", part.meaning());
        self.published.note_damage(part);
    }

    /// Waits. Returns false if it is time to stop.
    async fn wait(&self, span: Duration) -> bool {
        tokio::select! {
            () = self.stop.cancelled() => false,
            () = sleep(span) => true,
        }
    }
}

/// Returns the pause after a piece that took `took`, `so_far` after the check began, when `progress`
/// thousandths of it are done.
fn pause(took: Duration, so_far: Duration, progress: u32) -> Duration {
    let is_late = so_far > SLACK + TARGET * progress / 1000;
    let pause = if is_late { took / 4 } else { (took * REST).max(PAUSE) };
    pause.min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_takes_a_fiftieth_of_a_core_until_it_is_late() {
        let millis = Duration::from_millis;
        assert_eq!(pause(millis(10), millis(1000), 0), millis(490));
        assert_eq!(pause(Duration::ZERO, millis(1000), 0), PAUSE);
        assert_eq!(pause(Duration::from_mins(3), millis(1000), 0), LONGEST_PAUSE);
        assert_eq!(pause(Duration::from_hours(3), Duration::from_hours(3), 0), LONGEST_PAUSE);
        // After half of the time, half of the check has to be done.
        let half = TARGET / 2 + SLACK;
        assert_eq!(pause(millis(10), half, 500), millis(490));
        assert_eq!(pause(millis(10), half, 499), millis(10) / 4);
    }
}
