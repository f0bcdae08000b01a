//! Timelines: how entries stood over a span of time, as a state timeline draws it.
//!
//! A timeline has a row, a phase, for each change of an entry's condition. If those are too many,
//! time is cut into steps, and each entry is shown in the worst condition of each step.

use std::fmt;
use std::time::Duration;

use super::{Cursor, Key, TimeRange, Timestamp};

/// How an entry stood; the later ones are worse.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Condition {
    /// It was no more.
    Ended,
    /// Its server had what its repository says.
    Synced,
    /// Its server had something else.
    OutOfSync,
    /// Its reporter was silent, whatever it had said last.
    Stale,
}

impl Condition {
    /// Every condition, from the best to the worst.
    pub const ALL: [Self; 4] = [Self::Ended, Self::Synced, Self::OutOfSync, Self::Stale];

    /// The number of the API: 0 synced, 1 out of sync, 2 stale, `None` where there is no entry.
    #[must_use]
    pub const fn code(self) -> Option<u8> {
        match self {
            Self::Ended => None,
            Self::Synced => Some(0),
            Self::OutOfSync => Some(1),
            Self::Stale => Some(2),
        }
    }
}

/// What is asked of a timeline. Which entries is asked apart: it takes the present to say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TimelineQuery {
    /// When.
    pub range: TimeRange,
    /// How many phases at the most, and how many entries.
    pub limit: usize,
}

impl TimelineQuery {
    /// How many transitions are looked at one by one; of more, only what steps need is looked for.
    #[must_use]
    pub const fn most_points(&self) -> usize {
        self.limit.saturating_mul(8)
    }

    /// Returns what is shown of some pasts: every phase if those are within the limit, else the
    /// finest step's that are.
    #[must_use]
    pub fn show(&self, pasts: &[EntryPast]) -> (Vec<Phase>, Option<Bucket>) {
        let phases = self.phases(pasts, None);
        if phases.len() <= self.limit {
            return (phases, None);
        }
        let coarser = Bucket::ladder().map(|step| (self.phases(pasts, Some(step)), Some(step)));
        let mut coarser = coarser.skip_while(|(phases, _)| phases.len() > self.limit);
        coarser.next().unwrap_or_default()
    }

    /// Returns the finest step by which so many entries are within the limit, whatever they did.
    #[must_use]
    pub fn step_for(&self, entries: usize) -> Option<Bucket> {
        let most = self.limit.checked_div(entries)?;
        Bucket::ladder().find(|step| step.starts(self.range).nth(most).is_none())
    }

    fn phases(&self, pasts: &[EntryPast], step: Option<Bucket>) -> Vec<Phase> {
        let mut phases = Phases::default();
        for past in pasts {
            phases.begin(past.pair);
            if let Some(condition) = past.carried {
                phases.push(self.range.from, condition);
            }
            match step {
                None => past.points.iter().for_each(|(place, condition)| {
                    phases.push(place.at, *condition);
                }),
                Some(step) => self.push_buckets(&mut phases, past, step),
            }
        }
        phases.finish()
    }

    fn push_buckets(&self, phases: &mut Phases, past: &EntryPast, step: Bucket) {
        let TimeRange { from, to } = self.range;
        let mut before = past.carried.unwrap_or(Condition::Ended);
        for points in past.points.chunk_by(|(a, _), (b, _)| step.start(a.at) == step.start(b.at)) {
            let [(first, _), ..] = points else { continue };
            let worst = points.iter().map(|(_, condition)| *condition).fold(before, Ord::max);
            let start = step.start(first.at);
            phases.push(start.max(from), worst);
            before = points.last().map_or(before, |(_, condition)| *condition);
            let next = start.plus(step.0);
            if next < to {
                phases.push(next, before);
            }
        }
    }
}

/// What one entry did in a span of time.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct EntryPast {
    /// Which entry, by its place in [`Timeline::keys`].
    pub pair: usize,
    /// How it stood just before the span; `None` if it was not known.
    pub carried: Option<Condition>,
    /// Its transitions in the span, in order.
    pub points: Vec<(Cursor, Condition)>,
}

/// The last that was seen of an entry in each condition, before some moment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LastSeen(pub [Option<Cursor>; 4]);

impl LastSeen {
    /// Returns how the entry stood at last; `None` if it was not known.
    #[must_use]
    pub fn latest(&self) -> Option<Condition> {
        let seen = self.seen().max_by_key(|(place, _)| *place);
        seen.map(|(_, condition)| condition)
    }

    /// Returns the worst that was seen from a moment on.
    fn worst_since(&self, moment: Timestamp) -> Option<Condition> {
        let since = self.seen().filter(|(place, _)| place.at >= moment);
        since.map(|(_, condition)| condition).max()
    }

    fn seen(&self) -> impl Iterator<Item = (Cursor, Condition)> {
        self.0
            .iter()
            .zip(Condition::ALL)
            .filter_map(|(place, condition)| Some(((*place)?, condition)))
    }
}

/// One change of one entry's condition.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Phase {
    /// Since when.
    pub at: Timestamp,
    /// Which entry, by its place in [`Timeline::keys`].
    pub pair: usize,
    /// How it stood from then on.
    pub condition: Condition,
}

/// How entries stood over a span of time.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Timeline {
    /// The entries, in order.
    pub keys: Vec<Key>,
    /// What they did, by time, then by entry.
    pub phases: Vec<Phase>,
    /// The step by which time was cut, if it was.
    pub step: Option<Bucket>,
}

impl Timeline {
    /// Makes a timeline of phases in any order.
    #[must_use]
    pub fn new(keys: Vec<Key>, mut phases: Vec<Phase>, step: Option<Bucket>) -> Self {
        phases.sort_unstable_by_key(|phase| (phase.at, phase.pair));
        Self { keys, phases, step }
    }

    /// Returns the phases, each with the pair that it is about.
    pub fn rows(&self) -> impl Iterator<Item = (&Key, &Phase)> {
        self.phases.iter().filter_map(|phase| Some((self.keys.get(phase.pair)?, phase)))
    }
}

/// Phases that are being collected, one entry after the other.
///
/// Of neighbours that are equal only the first is kept, of those at one moment only the last, and
/// an entry does not begin by its end.
#[derive(Debug, Default)]
pub struct Phases {
    collected: Vec<Phase>,
    pair: Option<usize>,
    /// Where those of this entry begin.
    begin: usize,
    /// Where the last step of this entry ended, and what had been seen by then.
    last_seen: Option<(Timestamp, LastSeen)>,
}

impl Phases {
    /// Goes on to the next entry.
    fn begin(&mut self, pair: usize) {
        self.pair = Some(pair);
        self.begin = self.collected.len();
        self.last_seen = None;
    }

    fn push(&mut self, at: Timestamp, condition: Condition) {
        let own = self.collected.get(self.begin..).unwrap_or_default();
        if own.last().is_some_and(|last| last.at == at) {
            self.collected.pop();
        }
        let own = self.collected.get(self.begin..).unwrap_or_default();
        let before = own.last().map_or(Condition::Ended, |last| last.condition);
        if let Some(pair) = self.pair.filter(|_| before != condition) {
            self.collected.push(Phase { at, pair, condition });
        }
    }

    /// Takes what was seen last of an entry at the end of a step. The first one of each entry is at the
    /// begin of its first step; they come in order.
    pub fn take(&mut self, pair: usize, end: Timestamp, last_seen: LastSeen) {
        if self.pair != Some(pair) {
            self.begin(pair);
        }
        if let Some((start, before)) = self.last_seen.replace((end, last_seen))
            && let Some(condition) = before.latest().max(last_seen.worst_since(start))
        {
            self.push(start, condition);
        }
    }

    /// Returns what was collected.
    #[must_use]
    pub fn finish(self) -> Vec<Phase> {
        self.collected
    }
}

/// A length by which time is cut, at its multiples since 1970.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bucket(Duration);

impl Bucket {
    /// Returns every step, from the finest on. The last one takes all of time at once.
    fn ladder() -> impl Iterator<Item = Self> {
        let minutes = [1, 5, 15, 30, 60, 180, 360, 720].map(Duration::from_mins);
        let day = Duration::from_hours(24);
        let days = [1, 2, 7, 14].into_iter().map(move |days| day * days);
        let months = (0..18).map(move |power| day * 30 * (1 << power));
        minutes.into_iter().chain(days).chain(months).map(Self)
    }

    /// Returns the begin of each step in a range, of which the first may begin earlier.
    pub fn starts(self, range: TimeRange) -> impl Iterator<Item = Timestamp> {
        let TimeRange { from, to } = range;
        let next = move |start: &Timestamp| Some(self.start(*start).plus(self.0));
        std::iter::successors(Some(from), next).take_while(move |start| *start < to)
    }

    /// Returns the begin of the step that a moment is in.
    fn start(self, moment: Timestamp) -> Timestamp {
        let length = i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(moment.millis().saturating_sub(moment.millis().rem_euclid(length)))
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() / 60 {
            minutes if minutes.is_multiple_of(24 * 60) => write!(f, "{}d", minutes / (24 * 60)),
            minutes if minutes.is_multiple_of(60) => write!(f, "{}h", minutes / 60),
            minutes => write!(f, "{minutes}m"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: i64 = 60_000;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn query(from: i64, to: i64, limit: usize) -> TimelineQuery {
        TimelineQuery { range: TimeRange { from: at(from), to: at(to) }, limit }
    }

    fn past(carried: Option<Condition>, points: &[(i64, Condition)]) -> EntryPast {
        let points = (0..)
            .zip(points)
            .map(|(id, (millis, condition))| (Cursor { at: at(*millis), id }, *condition));
        EntryPast { pair: 0, carried, points: points.collect() }
    }

    fn shown(phases: &[Phase]) -> Vec<(i64, Option<u8>)> {
        phases.iter().map(|phase| (phase.at.millis(), phase.condition.code())).collect()
    }

    #[test]
    fn equal_neighbours_are_one_and_of_one_moment_the_last_counts() {
        use Condition::{Ended, OutOfSync, Stale, Synced};
        let past = past(
            Some(Synced),
            &[
                (10, Synced),
                (20, OutOfSync),
                (20, Synced),
                (30, OutOfSync),
                (40, Ended),
                (50, Stale),
            ],
        );
        let (phases, step) = query(0, 100, 10).show(&[past]);
        let expected = [(0, Some(0)), (30, Some(1)), (40, None), (50, Some(2))];
        assert_eq!((shown(&phases), step), (expected.to_vec(), None));
    }

    #[test]
    fn an_entry_that_had_ended_before_is_not_there_until_it_comes_back() {
        use Condition::{Ended, Synced};
        let (phases, _) =
            query(0, 100, 10).show(&[past(Some(Ended), &[(10, Ended), (20, Synced)])]);
        assert_eq!(shown(&phases), [(20, Some(0))]);
    }

    #[test]
    fn above_the_limit_the_finest_step_within_it_keeps_the_worst() {
        use Condition::{OutOfSync, Synced};
        let flapping: Vec<_> = (0..60)
            .map(|minute| (minute * MINUTE, if minute % 11 == 0 { OutOfSync } else { Synced }))
            .collect();
        let (phases, step) = query(MINUTE, 60 * MINUTE, 4).show(&[past(None, &flapping[1..])]);
        assert_eq!(step.map(|step| step.to_string()).as_deref(), Some("15m"));
        assert_eq!(shown(&phases), [(MINUTE, Some(1))]);
    }

    #[test]
    fn a_step_is_written_like_any_duration() {
        let steps: Vec<String> = Bucket::ladder().map(|step| step.to_string()).collect();
        let expected = ["1m", "5m", "15m", "30m", "1h", "3h", "6h", "12h", "1d", "2d", "7d", "14d"];
        assert_eq!(steps[..12], expected);
        assert_eq!(steps[12..14], ["30d", "60d"]);
    }

    fn conditions() -> impl Strategy<Value = Condition> {
        prop::sample::select(Condition::ALL.as_slice())
    }

    /// Some transitions of one entry, before a range, in it and after it.
    fn points() -> impl Strategy<Value = Vec<(Cursor, Condition)>> {
        prop::collection::vec((0..5000_i64, conditions()), 0..40).prop_map(|mut points| {
            points.sort_by_key(|(minute, _)| *minute);
            let place = |id, minute| Cursor { at: at(minute * 17_000), id };
            (0..).zip(points).map(|(id, (minute, c))| (place(id, minute), c)).collect()
        })
    }

    fn last_seen(points: &[(Cursor, Condition)], before: Timestamp) -> LastSeen {
        LastSeen(Condition::ALL.map(|wanted| {
            let seen = points.iter().filter(|(place, c)| place.at < before && *c == wanted);
            seen.map(|(place, _)| *place).max()
        }))
    }

    proptest! {
        #[test]
        fn glimpses_show_the_same_steps_as_every_transition_does(
            points in points(), from in 0..50_000_000_i64, length in 1..60_000_000_i64, limit in 1..20_usize,
        ) {
            let query = query(from, from + length, limit);
            let TimeRange { from, to } = query.range;
            let step = query.step_for(1).unwrap();
            let carried = last_seen(&points, from).latest();
            let inside = points.iter().filter(|(place, _)| (from..to).contains(&place.at));
            let past = EntryPast { pair: 0, carried, points: inside.copied().collect() };
            let mut phases = Phases::default();
            for end in step.starts(query.range).chain([to]) {
                phases.take(0, end, last_seen(&points, end));
            }
            let phases = phases.finish();
            prop_assert!(phases.len() <= limit);
            prop_assert_eq!(phases, query.phases(&[past], Some(step)));
        }

        #[test]
        fn what_is_shown_is_within_the_limit(points in points(), limit in 1..20_usize) {
            let query = query(0, 100_000_000, limit);
            let past = EntryPast { pair: 0, carried: None, points };
            let (phases, step) = query.show(std::slice::from_ref(&past));
            prop_assert!(phases.len() <= limit);
            prop_assert_eq!(step.is_some(), query.phases(&[past], None).len() > limit);
        }
    }
}
