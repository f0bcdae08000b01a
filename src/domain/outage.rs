//! The server's own outage, which is not the silence of reporters.

use std::time::Duration;

use super::{Deadlines, Timestamp};

/// The time before a start of the program in which no update was stored.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Outage {
    /// When the last update was stored.
    pub from: Timestamp,
    /// When the program started.
    pub to: Timestamp,
}

impl Outage {
    /// Finds the outage before a start, given when entries were updated. An update from the future,
    /// by a clock that was wrong, says nothing.
    pub fn before(start: Timestamp, updates: impl IntoIterator<Item = Timestamp>) -> Option<Self> {
        let from = updates.into_iter().filter(|at| *at <= start).max()?;
        Some(Self { from, to: start })
    }

    /// Returns how long it was.
    #[must_use]
    pub fn length(self) -> Duration {
        between(self.from, self.to)
    }

    /// Returns the deadlines of an entry that was updated at `since`, without the outage as silence.
    /// An entry that was updated later, or was stale before, keeps its deadlines.
    ///
    /// At most the time for which the entry is fresh is left out: several starts without an update
    /// must not put a silence off for ever. The entry does not expire later, and is stale before it
    /// expires.
    pub(super) fn forgiven(self, since: Timestamp, deadlines: Deadlines) -> Deadlines {
        let Deadlines { stale_at, expires_at } = deadlines;
        if since > self.from || stale_at <= self.from || stale_at == Timestamp::NEVER {
            return deadlines;
        }
        let most = between(since, stale_at).min(between(stale_at, expires_at) / 2);
        Deadlines { stale_at: stale_at.plus(self.length().min(most)), expires_at }
    }
}

fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    let millis = later.millis().saturating_sub(earlier.millis());
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_millis(minute * 60_000)
    }

    #[test]
    fn an_outage_lasts_from_the_last_update_that_is_not_from_the_future() {
        let before = |updates: &[Timestamp]| Outage::before(at(100), updates.iter().copied());
        assert_eq!(before(&[]), None);
        assert_eq!(before(&[at(101)]), None);
        let outage = Outage { from: at(30), to: at(100) };
        assert_eq!(before(&[at(10), at(30), at(500)]), Some(outage));
    }

    #[test]
    fn an_outage_does_not_count_as_silence_but_for_what_exceeds_the_time_to_be_fresh() {
        let stale_at = |since: i64, stale_after: i64, ttl: Option<i64>, to: i64| {
            let outage = Outage { from: at(1000), to: at(to) };
            let stale_at = at(since + stale_after);
            let expires_at = ttl.map_or(Timestamp::NEVER, |ttl| at(since + ttl));
            let forgiven = outage.forgiven(at(since), Deadlines { stale_at, expires_at });
            assert_eq!(forgiven.expires_at, expires_at, "it does not expire later");
            forgiven.stale_at
        };
        assert_eq!(stale_at(1000, 120, None, 1030), at(1150));
        assert_eq!(stale_at(900, 120, None, 1030), at(1050));
        assert_eq!(stale_at(1000, 120, None, 1180), at(1240), "at most twice as long");
        assert_eq!(stale_at(880, 120, None, 1180), at(1000), "it was stale before");
        assert_eq!(stale_at(1001, 120, None, 1180), at(1121), "it was updated since");
        assert_eq!(stale_at(1000, 120, Some(180), 1180), at(1150), "stale before it expires");
    }

    #[test]
    fn what_is_never_stale_stays_so() {
        let deadlines = Deadlines { stale_at: Timestamp::NEVER, expires_at: Timestamp::NEVER };
        let outage = Outage { from: at(10), to: at(20) };
        assert_eq!(outage.forgiven(at(0), deadlines), deadlines);
    }
}
