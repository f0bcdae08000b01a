//! The server's own outages, which are not the silence of reporters.

use std::time::Duration;

use super::{CLOCK_TOLERANCE, Deadlines, Now, Timestamp};

/// The most outages that are known: an older one is forgotten.
const MOST: usize = 100;
/// A shorter outage does not count: reporters are not silent for so long.
const WORTH_KEEPING: Duration = Duration::from_secs(1);

/// The time before a start of the program in which no update was stored.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Outage {
    /// When the last update was stored.
    pub from: Timestamp,
    /// When the program started.
    pub to: Timestamp,
}

impl Outage {
    /// Returns how long it was.
    #[must_use]
    pub fn length(self) -> Duration {
        between(self.from, self.to)
    }
}

/// The outages before this start and before other ones.
///
/// They are facts of their starts: updates that are stored later do not change them. Replicas of one
/// store learn of each other's, so that all know the same.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Outages {
    /// Those of other starts, as they were stored.
    others: Vec<Outage>,
    /// Whether others may be of later starts than this one.
    are_learned: bool,
    /// Since when there was always a replica that ran, if that is known.
    ran_since: Option<Timestamp>,
    /// When the last update was stored before this start: of all updates, and of those that are not
    /// from the future by the clock of the start.
    last_updates: [Option<Timestamp>; 2],
    /// The one before this start.
    latest: Option<Outage>,
    /// All that count, in order and apart from each other.
    counted: Vec<Outage>,
    /// All that later starts are to know, in order.
    kept: Vec<Outage>,
}

impl Outages {
    /// No outages.
    pub const NONE: Self = Self {
        others: Vec::new(),
        are_learned: false,
        ran_since: None,
        last_updates: [None; 2],
        latest: None,
        counted: Vec::new(),
        kept: Vec::new(),
    };

    /// Finds the outage before a start, given those before earlier starts, and when entries were
    /// updated. An update from the future, by a clock that was wrong, says nothing.
    #[must_use]
    pub fn before(
        start: Timestamp,
        earlier: Vec<Outage>,
        updates: impl IntoIterator<Item = Timestamp>,
    ) -> Self {
        let mut last_updates = [None; 2];
        let [last, last_before] = &mut last_updates;
        for at in updates {
            *last = (*last).max(Some(at));
            *last_before = (*last_before).max(Some(at).filter(|at| *at <= start));
        }
        let latest = latest(last_updates, start);
        Self { others: earlier, last_updates, latest, ..Self::NONE }.summed_up(start)
    }

    /// Returns the same by a clock that was set: by this one, the program started at `start`.
    #[must_use]
    pub fn by_the_clock(&self, now: Now, start: Timestamp) -> Self {
        let until = if self.are_learned { now.at.plus(CLOCK_TOLERANCE) } else { start };
        Self { latest: latest(self.last_updates, start), ..self.clone() }.summed_up(until)
    }

    /// Returns the same with all that replicas have noted, in place of what was known of others, and
    /// given since when there was always one that ran: no outage goes on after that.
    #[must_use]
    pub fn learned(&self, noted: &[Outage], ran_since: Option<Timestamp>, now: Now) -> Self {
        let ran_since = self.ran_since.into_iter().chain(ran_since).min();
        let known = Self { others: noted.to_vec(), are_learned: true, ran_since, ..self.clone() };
        known.summed_up(now.at.plus(CLOCK_TOLERANCE))
    }

    /// Works out what counts. An outage that ends after `until` was noted by a wrong clock.
    fn summed_up(self, until: Timestamp) -> Self {
        let Self { others, are_learned, ran_since, last_updates, latest, .. } = self;
        let noted = others.iter().copied().chain(latest);
        let mut kept: Vec<Outage> =
            noted.filter_map(|outage| without_a_replica(outage, ran_since, until)).collect();
        // If nothing was stored between two starts, the later one's outage has the earlier one's in it.
        kept.sort_by_key(|outage| (outage.from, outage.to <= until, outage.to));
        kept.reverse();
        kept.dedup_by_key(|outage| outage.from);
        kept.truncate(MOST);
        kept.reverse();
        let counted = apart(kept.iter().copied().filter(|outage| outage.to <= until));
        Self { others, are_learned, ran_since, last_updates, latest, counted, kept }
    }

    /// Returns the outage before this start.
    #[must_use]
    pub fn latest(&self) -> Option<Outage> {
        self.latest
    }

    /// Returns the outages that later starts are to know, each with a beginning of its own.
    #[must_use]
    pub fn kept(&self) -> &[Outage] {
        &self.kept
    }

    /// Returns the deadlines of an entry that was updated at `since`, without the outages as silence.
    /// An outage after it was stale does not count.
    ///
    /// At most the time for which the entry is fresh is left out: several starts without an update
    /// must not put a silence off for ever. The entry does not expire later, and is stale before it
    /// expires.
    pub(super) fn forgiven(&self, since: Timestamp, deadlines: Deadlines) -> Deadlines {
        let Deadlines { stale_at, expires_at } = deadlines;
        if stale_at == Timestamp::NEVER {
            return deadlines;
        }
        let first = self.counted.partition_point(|outage| outage.to <= since);
        let mut moved = stale_at;
        for outage in self.counted.iter().skip(first) {
            if outage.from >= moved {
                break;
            }
            moved = moved.plus(between(outage.from.max(since), outage.to));
        }
        let most = between(since, stale_at).min(between(stale_at, expires_at) / 2);
        Deadlines { stale_at: moved.min(stale_at.plus(most)), expires_at }
    }
}

/// Returns the outage before a start, given the last updates before it.
fn latest(last_updates: [Option<Timestamp>; 2], start: Timestamp) -> Option<Outage> {
    let from = last_updates.iter().flatten().filter(|at| **at < start).max();
    let latest = from.map(|from| Outage { from: *from, to: start });
    latest.filter(|latest| latest.length() >= WORTH_KEEPING)
}

/// Returns the part of an outage in which no replica ran, if it is worth keeping. A replica that could
/// not be heard has been taken for one that had ended. What ends after `until` was noted by a wrong
/// clock, and stays as it is.
fn without_a_replica(
    outage: Outage,
    ran_since: Option<Timestamp>,
    until: Timestamp,
) -> Option<Outage> {
    let Some(ran_since) = ran_since else { return Some(outage) };
    if outage.to < ran_since.plus(WORTH_KEEPING) || outage.to > until {
        return Some(outage);
    }
    let rest = Outage { from: outage.from, to: ran_since };
    (rest.length() >= WORTH_KEEPING).then_some(rest)
}

/// Joins outages that overlap. The first come first.
fn apart(outages: impl IntoIterator<Item = Outage>) -> Vec<Outage> {
    let mut outages = outages.into_iter().collect::<Vec<_>>();
    outages.sort_by_key(|outage| outage.from);
    outages.dedup_by(|next, outage| {
        let overlap = next.from <= outage.to;
        if overlap {
            outage.to = outage.to.max(next.to);
        }
        overlap
    });
    outages
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

    fn now(minute: i64) -> Now {
        Now { at: at(minute), steady_for: Duration::ZERO }
    }

    fn outage(from: i64, to: i64) -> Outage {
        Outage { from: at(from), to: at(to) }
    }

    fn before(start: i64, earlier: &[Outage], updates: &[i64]) -> Outages {
        Outages::before(at(start), earlier.to_vec(), updates.iter().copied().map(at))
    }

    #[test]
    fn an_outage_lasts_from_the_last_update_that_is_not_from_the_future() {
        assert_eq!(before(100, &[], &[]).latest(), None);
        assert_eq!(before(100, &[], &[101]).latest(), None);
        assert_eq!(before(100, &[], &[10, 30, 500]).latest(), Some(outage(30, 100)));
    }

    #[test]
    fn a_clock_that_is_set_moves_the_end_of_an_outage_and_finds_one_that_was_not_found() {
        let outages = before(100, &[], &[10, 30, 500]);
        assert_eq!(outages.by_the_clock(now(90), at(90)).latest(), Some(outage(30, 90)));
        assert_eq!(outages.by_the_clock(now(600), at(600)).latest(), Some(outage(500, 600)));
        assert_eq!(
            before(5, &[], &[10, 30]).by_the_clock(now(90), at(90)).latest(),
            Some(outage(30, 90))
        );
    }

    #[test]
    fn outages_are_kept_for_later_starts_each_once_and_the_newest_only() {
        assert_eq!(before(100, &[outage(1, 2)], &[30]).kept(), [outage(1, 2), outage(30, 100)]);
        assert_eq!(before(100, &[outage(30, 50)], &[30]).kept(), [outage(30, 100)]);
        let second = Timestamp::from_millis(100_999);
        let short = Outages::before(second, vec![], [Timestamp::from_millis(100_000)]);
        assert_eq!(short.kept(), []);
        let many: Vec<_> = (0..200).map(|number| outage(2 * number, 2 * number + 1)).collect();
        let kept = before(1000, &many, &[900]);
        assert_eq!(kept.kept().len(), MOST);
        assert_eq!(kept.kept().last(), Some(&outage(900, 1000)));
    }

    #[test]
    fn replicas_count_the_same_outages_whichever_of_them_has_found_each() {
        let first = before(100, &[outage(1, 2)], &[30]);
        let second = Outages::NONE.learned(first.kept(), None, now(105));
        assert_eq!(second.latest(), None, "it starts beside the first");
        assert_eq!(second.counted, first.counted);
        let noted = [outage(1, 2), outage(30, 100), outage(200, 300)];
        let all = [&first, &second].map(|known| known.learned(&noted, None, now(301)));
        assert_eq!(all[0].counted, noted);
        assert_eq!(all[1].counted, noted);
        assert_eq!(first.learned(&[], None, now(110)).kept(), [outage(30, 100)]);
        let third = first.learned(&[outage(30, 400)], None, now(401));
        assert_eq!(third.kept(), [outage(30, 400)], "it was frozen until another one started");
        let wrong = first.learned(&[outage(30, 900)], None, now(401));
        assert_eq!(wrong.kept(), [outage(30, 100)], "by a wrong clock");
    }

    #[test]
    fn time_in_which_a_replica_ran_that_was_not_heard_is_no_outage() {
        let found = before(100, &[outage(1, 2)], &[30]);
        let learned =
            |known: &Outages, ran_since| known.learned(&[], Some(at(ran_since)), now(101));
        let heard = found.learned(&[outage(1, 2), outage(30, 100)], Some(at(20)), now(101));
        assert_eq!(heard.kept(), [outage(1, 2)]);
        assert_eq!(heard.counted, heard.kept);
        assert_eq!(learned(&heard, 100).kept(), [], "also when that one has ended");
        assert_eq!(learned(&found, 60).kept(), [outage(30, 60)]);
        assert_eq!(learned(&found, 100).kept(), [outage(30, 100)]);
        let by_a_wrong_clock = found.learned(&[outage(30, 900)], Some(at(20)), now(101));
        assert_eq!(by_a_wrong_clock.kept(), [outage(30, 900)]);
    }

    #[test]
    fn an_outage_does_not_count_as_silence_but_for_what_exceeds_the_time_to_be_fresh() {
        let stale_at = |since: i64, stale_after: i64, ttl: Option<i64>, to: i64| {
            let outages = before(to, &[], &[1000]);
            let stale_at = at(since + stale_after);
            let expires_at = ttl.map_or(Timestamp::NEVER, |ttl| at(since + ttl));
            let forgiven = outages.forgiven(at(since), Deadlines { stale_at, expires_at });
            assert_eq!(forgiven.expires_at, expires_at, "it does not expire later");
            forgiven.stale_at
        };
        assert_eq!(stale_at(1000, 120, None, 1030), at(1150));
        assert_eq!(stale_at(900, 120, None, 1030), at(1050));
        assert_eq!(stale_at(1000, 120, None, 1180), at(1240), "at most twice as long");
        assert_eq!(stale_at(880, 120, None, 1180), at(1000), "it was stale before");
        assert_eq!(stale_at(1180, 120, None, 1180), at(1300), "it was updated since");
        assert_eq!(stale_at(1000, 120, Some(180), 1180), at(1150), "stale before it expires");
    }

    #[test]
    fn outages_add_up_and_overlapping_ones_count_once() {
        let stale_at = |earlier: &[Outage], since: i64| {
            let deadlines = Deadlines { stale_at: at(since + 120), expires_at: Timestamp::NEVER };
            before(1100, earlier, &[1090]).forgiven(at(since), deadlines).stale_at
        };
        assert_eq!(stale_at(&[], 1000), at(1130));
        assert_eq!(stale_at(&[outage(1000, 1020)], 1000), at(1150));
        assert_eq!(stale_at(&[outage(990, 1020), outage(1010, 1030)], 1000), at(1160));
        assert_eq!(stale_at(&[outage(960, 1000)], 960), at(1130), "the first puts off the second");
        assert_eq!(stale_at(&[outage(960, 965)], 960), at(1085), "it was stale between them");
        assert_eq!(stale_at(&[outage(1000, 2000)], 1000), at(1130), "a clock was wrong");
    }

    #[test]
    fn what_is_never_stale_stays_so() {
        let deadlines = Deadlines { stale_at: Timestamp::NEVER, expires_at: Timestamp::NEVER };
        assert_eq!(before(20, &[], &[10]).forgiven(at(0), deadlines), deadlines);
    }
}
