//! The timekeeper: lets the published snapshot follow the clock, whatever the store does.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

use super::published::Published;
use crate::clock::{Clock, Steadiness};
use crate::domain::{Now, Timestamp};
use crate::store::{StoreError, Usage};

/// How often the snapshot follows the clock: well under the promised second.
const TICK: Duration = Duration::from_millis(250);
/// After how many ticks without an answer the store counts as broken.
const TICKS_OF_PATIENCE: u32 = 20;

/// Ticks, deadlines and jumps of the clock.
pub(super) struct Timekeeper {
    published: Arc<Published>,
    clock: Arc<dyn Clock>,
    steadiness: Steadiness,
    /// The monotonic clock at the start.
    started: Duration,
    ticks: Interval,
    jumps: u32,
    has_deadlines_due: bool,
}

impl Timekeeper {
    pub(super) fn new(
        published: Arc<Published>,
        clock: Arc<dyn Clock>,
        steadiness: Steadiness,
    ) -> Self {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let started = clock.monotonic();
        Self { published, clock, steadiness, started, ticks, jumps: 0, has_deadlines_due: false }
    }

    /// Waits for the next tick. Dropping the future loses nothing.
    pub(super) async fn tick(&mut self) {
        self.ticks.tick().await;
    }

    /// Reads the clock. If it has jumped, the published snapshot follows at once.
    pub(super) fn now(&mut self) -> Now {
        let (now, jumped) = self.steadiness.observe(self.clock.read());
        if jumped {
            log::warn!("The clock was set to {}: what looks expired is kept for a while", now.at);
            self.jumps += 1;
            let started = self.started_at(now);
            self.published.change_copy(|snapshot| snapshot.reschedule(now, started));
        }
        now
    }

    /// Returns when the program started, by the wall clock as it is now.
    pub(super) fn started_at(&self, now: Now) -> Timestamp {
        now.at.minus(self.monotonic().saturating_sub(self.started))
    }

    pub(super) fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    /// Returns how often the clock has jumped.
    pub(super) fn jumps(&self) -> u32 {
        self.jumps
    }

    /// Applies some of the deadlines that are due. This needs no store.
    pub(super) fn follow_the_clock(&mut self) {
        let now = self.now();
        if self.published.snapshot().has_deadlines_due(now) {
            self.published.change_copy(|snapshot| snapshot.advance(now));
        }
        self.has_deadlines_due = self.published.snapshot().has_deadlines_due(now);
    }

    /// Whether deadlines are left that are due.
    pub(super) fn has_deadlines_due(&self) -> bool {
        self.has_deadlines_due
    }

    /// Waits for the store, however long it takes, and follows the clock meanwhile. A store that
    /// does not answer for long counts as broken.
    pub(super) async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        let mut waited = 0_u32;
        loop {
            tokio::select! {
                biased;
                outcome = &mut work => return outcome,
                _ = self.ticks.tick() => waited = waited.saturating_add(1),
                () = std::future::ready(()), if self.has_deadlines_due => {}
            }
            self.follow_the_clock();
            if waited == TICKS_OF_PATIENCE {
                // The sizes may have changed since they were measured.
                self.published.note_usage(Usage::default());
                if self.published.is_storing() {
                    self.published.note_storing(Err(&StoreError::Silent(TICK * waited)));
                }
            }
        }
    }
}
