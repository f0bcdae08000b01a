//! How often to try to reach a database that is away.
//!
//! All replicas lose their database at the same moment, and it has to start while they ask for it.
//! So the pauses between two tries get longer, and differ from replica to replica.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::Instant;

use crate::store::StoreError;

/// About the pause after the first try, and after many.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long a caller may wait for the database to come back: a failover takes less.
const SHORT: Duration = Duration::from_secs(1);

/// The time since a database could not be reached.
#[derive(Debug)]
pub(super) struct Absence {
    began: Instant,
    pause: Duration,
    next_try: Instant,
    /// Why the last try has failed.
    reason: String,
}

impl Absence {
    /// Begins with a try that has failed.
    pub(super) fn begin(tried_at: Instant, reason: &impl Display) -> Self {
        let reason = reason.to_string();
        let mut absence = Self { began: tried_at, pause: FIRST_PAUSE, next_try: tried_at, reason };
        absence.pause_before_next_try();
        absence
    }

    /// Notes another try that has failed.
    pub(super) fn go_on(&mut self, reason: &impl Display) {
        self.reason = reason.to_string();
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        self.pause_before_next_try();
    }

    /// When to try next.
    pub(super) fn next_try(&self) -> Instant {
        self.next_try
    }

    /// Whether the database may still be back before a caller gives up.
    pub(super) fn is_short(&self) -> bool {
        self.began.elapsed() < SHORT
    }

    /// Why the database cannot be reached.
    pub(super) fn error(&self) -> StoreError {
        StoreError::Unavailable(self.reason.clone().into())
    }

    fn pause_before_next_try(&mut self) {
        // Between half of the pause and all of it. Without randomness, half.
        let share = getrandom::u32().unwrap_or(0);
        let half = self.pause / 2;
        self.next_try =
            Instant::now() + half + half.mul_f64(f64::from(share) / f64::from(u32::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_double_up_to_a_second_and_no_two_replicas_have_the_same() {
        let mut absences: Vec<_> =
            (0..50).map(|_| Absence::begin(Instant::now(), &"refused")).collect();
        for millis in [50, 100, 200, 400, 800, 1000, 1000, 1000] {
            let pauses: Vec<_> = absences.iter().map(|it| it.next_try() - Instant::now()).collect();
            let whole = Duration::from_millis(millis);
            assert!(pauses.iter().all(|pause| (whole / 2..=whole).contains(pause)), "{pauses:?}");
            assert!(pauses.iter().any(|pause| *pause != pauses[0]), "{pauses:?}");
            for absence in &mut absences {
                absence.go_on(&"refused");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_absence_is_short_for_a_second() {
        let mut absence = Absence::begin(Instant::now(), &"refused");
        tokio::time::advance(Duration::from_millis(999)).await;
        absence.go_on(&"starting");
        assert!(absence.is_short());
        assert_eq!(absence.error().to_string(), "starting");
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!absence.is_short());
    }
}
