//! The life of an entry: fresh, then stale, then expired; and when a clock may be believed.

use std::time::Duration;

use super::{ReporterSchedule, Timestamp};

/// How long the clock must have run steadily before what it says may destroy something.
pub const SETTLING_TIME: Duration = Duration::from_mins(10);

/// What time it is, and for how long that has been beyond doubt.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// The moment by the wall clock.
    pub at: Timestamp,
    /// For how long the wall clock has run in step with the monotonic one, without a jump.
    pub steady_for: Duration,
}

impl Now {
    /// Whether a deadline that has passed can be believed for an entry last updated at
    /// `updated_at`: the clock has settled, or the whole silence was seen by a steady clock.
    #[must_use]
    pub fn confirms_silence_since(&self, updated_at: Timestamp) -> bool {
        self.steady_for >= SETTLING_TIME || updated_at >= self.at.minus(self.steady_for)
    }
}

/// How an entry stands at some moment.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Mark {
    /// Its reporter has been heard of in time.
    Fresh,
    /// Its reporter has fallen silent; still listed.
    Stale,
    /// Its time to live is over; in no answer any more.
    Expired,
}

/// The moments at which an entry's mark changes; [`Timestamp::NEVER`] where it doesn't.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Deadlines {
    /// From then on the entry is stale.
    pub stale_at: Timestamp,
    /// From then on it is expired, stale or not.
    pub expires_at: Timestamp,
}

impl Deadlines {
    /// Returns the mark at a moment.
    #[must_use]
    pub fn mark(&self, at: Timestamp) -> Mark {
        if at >= self.expires_at {
            Mark::Expired
        } else if at >= self.stale_at {
            Mark::Stale
        } else {
            Mark::Fresh
        }
    }

    /// Returns when the mark changes next, after the one it has.
    #[must_use]
    pub fn next_change(&self, mark: Mark) -> Timestamp {
        match mark {
            Mark::Fresh => self.stale_at.min(self.expires_at),
            Mark::Stale => self.expires_at,
            Mark::Expired => Timestamp::NEVER,
        }
    }
}

/// The server's settings for the life of entries; `None` is never.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// How long an entry is fresh.
    pub stale_after: Option<Duration>,
    /// How long an entry is kept.
    pub ttl: Option<Duration>,
}

impl Policy {
    /// Returns the deadlines of an entry that was last updated at `updated_at`.
    ///
    /// The reporter's schedule goes before the settings. An update from the future, left behind by
    /// a clock that was wrong, counts from now: it must not live longer than any other.
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
            // A reporter that is silent for a month by its own word must not expire before that.
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
    fn the_reporters_promise_goes_before_the_settings() {
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

    #[test]
    fn a_mark_changes_at_the_deadline_itself() {
        let deadlines = POLICY.deadlines(ReporterSchedule::default(), at(0), at(0));
        assert_eq!(deadlines.mark(Timestamp::from_millis(99_999)), Mark::Fresh);
        assert_eq!(deadlines.mark(at(100)), Mark::Stale);
        assert_eq!(deadlines.mark(Timestamp::from_millis(999_999)), Mark::Stale);
        assert_eq!(deadlines.mark(at(1000)), Mark::Expired);
        assert_eq!(deadlines.next_change(Mark::Fresh), at(100));
        assert_eq!(deadlines.next_change(Mark::Stale), at(1000));
        assert_eq!(deadlines.next_change(Mark::Expired), Timestamp::NEVER);
    }

    #[test]
    fn silence_is_believed_once_the_clock_has_settled_or_has_seen_all_of_it() {
        let now = |steady_for| Now { at: at(10_000), steady_for: Duration::from_secs(steady_for) };
        assert!(!now(599).confirms_silence_since(at(9_400)));
        assert!(now(600).confirms_silence_since(at(0)));
        assert!(now(20).confirms_silence_since(at(9_990)));
        assert!(!now(20).confirms_silence_since(at(9_979)));
    }
}
