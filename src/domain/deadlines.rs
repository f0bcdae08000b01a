//! When an entry becomes stale and when it expires.

use std::time::Duration;

use super::{ReporterSchedule, Timestamp};

/// The moments at which an entry changes by itself; [`Timestamp::NEVER`] if it does not.
///
/// A field more is a line more in [`Policy::deadlines`], and in the functions of
/// [`Shown`](super::Shown), where the compiler asks for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Deadlines {
    /// From this moment on the entry is stale.
    pub stale_at: Timestamp,
    /// From this moment on the entry is expired, stale or not.
    pub expires_at: Timestamp,
}

/// The server's settings for how long entries last; `None` is forever.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// How long an entry is fresh after an update.
    pub stale_after: Option<Duration>,
    /// How long an entry is kept after an update.
    pub ttl: Option<Duration>,
}

impl Policy {
    /// Returns the deadlines of an entry that was last updated at `updated_at`.
    ///
    /// The reporter's schedule overrides the settings. An `updated_at` in the future, from a clock
    /// that was wrong, counts as `now`: the entry must not outlive the others.
    #[must_use]
    pub fn deadlines(
        &self,
        schedule: ReporterSchedule,
        updated_at: Timestamp,
        now: Timestamp,
    ) -> Deadlines {
        let since = updated_at.min(now);
        let deadline =
            |span: Option<Duration>| span.map_or(Timestamp::NEVER, |span| since.plus(span));
        Deadlines {
            stale_at: deadline(self.stale_after(schedule)),
            expires_at: deadline(self.ttl(schedule)),
        }
    }

    fn stale_after(&self, schedule: ReporterSchedule) -> Option<Duration> {
        match schedule.stale_after_seconds {
            None => self.stale_after,
            Some(seconds) => some_unless_zero(seconds),
        }
    }

    fn ttl(&self, schedule: ReporterSchedule) -> Option<Duration> {
        match (schedule.ttl_seconds, schedule.stale_after_seconds) {
            (Some(seconds), _) => some_unless_zero(seconds),
            (None, None) => self.ttl,
            // An entry whose reporter announces a month of silence must not expire before that.
            (None, Some(stale_after)) => {
                self.ttl.map(|ttl| ttl.max(2 * Duration::from_secs(u64::from(stale_after))))
            }
        }
    }
}

fn some_unless_zero(seconds: u32) -> Option<Duration> {
    (seconds > 0).then(|| Duration::from_secs(u64::from(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy {
        stale_after: Some(Duration::from_secs(100)),
        ttl: Some(Duration::from_secs(1000)),
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn deadlines(stale_after: Option<u32>, ttl: Option<u32>) -> (Timestamp, Timestamp) {
        let schedule = ReporterSchedule { stale_after_seconds: stale_after, ttl_seconds: ttl };
        let Deadlines { stale_at, expires_at } = POLICY.deadlines(schedule, at(0), at(0));
        (stale_at, expires_at)
    }

    #[test]
    fn the_reporters_schedule_goes_before_the_settings() {
        let never = Timestamp::NEVER;
        assert_eq!(deadlines(None, None), (at(100), at(1000)));
        assert_eq!(deadlines(Some(10), None), (at(10), at(1000)));
        assert_eq!(deadlines(Some(700), None), (at(700), at(1400)), "lives twice its schedule");
        assert_eq!(deadlines(Some(0), None), (never, at(1000)));
        assert_eq!(deadlines(None, Some(50)), (at(100), at(50)));
        assert_eq!(deadlines(Some(10), Some(0)), (at(10), never));
    }

    #[test]
    fn an_update_from_the_future_counts_from_now() {
        let deadlines = POLICY.deadlines(ReporterSchedule::default(), at(1_000_000), at(5));
        assert_eq!(deadlines, Deadlines { stale_at: at(105), expires_at: at(1005) });
    }
}
