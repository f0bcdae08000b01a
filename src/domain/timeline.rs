//! Timelines: the conditions of entries over a time range, as Grafana's state timeline draws them.
//!
//! A timeline has a phase for each change of a line's condition. If there are too many, it cuts time
//! into steps and shows the worst condition of each line in each step.

use super::{Condition, Cursor, Line, LineKind, TimeRange, TimeStep, Timestamp};

/// How many entries the lines of names sum up at most.
const MOST_ENTRIES_OF_NAMES: usize = 100_000;

/// How many transitions of them to read by entry, and how many of their steps to look up.
const MOST_POINTS_OF_NAMES: usize = 200_000;

/// How many transitions of all entries to pass by in the order of time instead.
const MOST_PASSED_BY: usize = 1_000_000;

/// A query for a timeline. The entries come separately, since the current snapshot selects them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TimelineQuery {
    /// The time range.
    pub range: TimeRange,
    /// What has a line of its own.
    pub lines: LineKind,
    /// The maximum number of phases, and of lines.
    pub limit: usize,
    /// How many transitions to read one by one. Of more, read only what the steps need.
    pub most_points: usize,
    /// How many transitions of all entries to pass by in the order of time, if there are more than
    /// those. It is useful only to lines that sum up entries.
    pub most_passed_by: usize,
}

impl TimelineQuery {
    /// Makes a query that reads as many transitions as suits its lines.
    #[must_use]
    pub const fn new(range: TimeRange, lines: LineKind, limit: usize) -> Self {
        let (most_points, most_passed_by) = match lines {
            LineKind::Entry => (limit.saturating_mul(8), 0),
            LineKind::Repo | LineKind::Server => (MOST_POINTS_OF_NAMES, MOST_PASSED_BY),
        };
        Self { range, lines, limit, most_points, most_passed_by }
    }

    /// Returns how many entries there may be.
    #[must_use]
    pub const fn most_entries(&self) -> usize {
        match self.lines {
            LineKind::Entry => self.limit,
            LineKind::Repo | LineKind::Server => MOST_ENTRIES_OF_NAMES,
        }
    }

    /// Returns the phases of some lines: all of them if they are within the limit, otherwise those of
    /// the finest step that keeps within it.
    #[must_use]
    pub fn show(&self, pasts: &[Past]) -> (Vec<Phase>, Option<TimeStep>) {
        let phases = self.phases(pasts, None);
        if phases.len() <= self.limit {
            return (phases, None);
        }
        let coarser = TimeStep::ladder().map(|step| (self.phases(pasts, Some(step)), Some(step)));
        let mut coarser = coarser.skip_while(|(phases, _)| phases.len() > self.limit);
        coarser.next().unwrap_or_default()
    }

    /// Returns the finest step that keeps a number of lines within the limit, whatever they did, and
    /// that takes no more work than reading transitions does.
    #[must_use]
    pub fn step_for(&self, lines: usize, entries: usize) -> Option<TimeStep> {
        let most = self.limit.checked_div(lines)?.min(self.most_points.checked_div(entries)?);
        TimeStep::ladder().find(|step| self.has_at_most(most, *step))
    }

    /// Returns steps to cut a number of lines by, the finest first. The last one is the finest that
    /// keeps the lines within the limit, whatever they did.
    pub(super) fn steps_to_try(&self, lines: usize, most: usize) -> Vec<TimeStep> {
        let each = self.limit.checked_div(lines).unwrap_or(self.limit);
        let too_fine = TimeStep::ladder().take_while(|step| !self.has_at_most(each, *step)).count();
        let skipped = (too_fine + 1).saturating_sub(most);
        TimeStep::ladder().take(too_fine + 1).skip(skipped).collect()
    }

    fn has_at_most(&self, count: usize, step: TimeStep) -> bool {
        step.starts(self.range).nth(count).is_none()
    }

    fn phases(&self, pasts: &[Past], step: Option<TimeStep>) -> Vec<Phase> {
        let mut phases = Phases::default();
        for past in pasts {
            phases.begin(past.line);
            if let Some(condition) = past.carried {
                phases.push(self.range.from, condition);
            }
            match step {
                None => past.points.iter().for_each(|(cursor, condition)| {
                    phases.push(cursor.at, *condition);
                }),
                Some(step) => self.push_steps(&mut phases, past, step),
            }
        }
        phases.finish()
    }

    fn push_steps(&self, phases: &mut Phases, past: &Past, step: TimeStep) {
        let TimeRange { from, to } = self.range;
        let mut before = past.carried.unwrap_or(Condition::Ended);
        for points in past.points.chunk_by(|(a, _), (b, _)| step.start(a.at) == step.start(b.at)) {
            let [(first, _), ..] = points else { continue };
            let worst = points.iter().map(|(_, condition)| *condition).fold(before, Ord::max);
            let start = step.start(first.at);
            phases.push(start.max(from), worst);
            before = points.last().map_or(before, |(_, condition)| *condition);
            let next = step.end(first.at);
            if next < to {
                phases.push(next, before);
            }
        }
    }
}

/// The transitions of one line in a time range.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Past {
    /// The index of the line.
    pub line: usize,
    /// Its condition just before the range; `None` if it was not known.
    pub carried: Option<Condition>,
    /// Its transitions in the range, in order.
    pub points: Vec<(Cursor, Condition)>,
}

/// The last transition of an entry into each condition before a moment, in the order of
/// [`Condition::ALL`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LastSeen(pub [Option<Cursor>; 4]);

impl LastSeen {
    /// Adds a transition.
    pub fn take(&mut self, cursor: Cursor, condition: Condition) {
        for (seen, _) in self.0.iter_mut().zip(Condition::ALL).filter(|(_, it)| *it == condition) {
            *seen = (*seen).max(Some(cursor));
        }
    }

    /// Returns the condition at that moment; `None` if the entry was not known.
    #[must_use]
    pub fn latest(&self) -> Option<Condition> {
        let seen = self.seen().max_by_key(|(cursor, _)| *cursor);
        seen.map(|(_, condition)| condition)
    }

    /// Returns the worst condition that began at or after a moment.
    fn worst_since(&self, moment: Timestamp) -> Option<Condition> {
        let since = self.seen().filter(|(cursor, _)| cursor.at >= moment);
        since.map(|(_, condition)| condition).max()
    }

    fn seen(&self) -> impl Iterator<Item = (Cursor, Condition)> {
        self.0
            .iter()
            .zip(Condition::ALL)
            .filter_map(|(cursor, condition)| Some(((*cursor)?, condition)))
    }
}

/// One change of one line's condition.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Phase {
    /// When it began.
    pub at: Timestamp,
    /// The line's index in [`Timeline::lines`].
    pub line: usize,
    /// The condition from then on.
    pub condition: Condition,
}

/// The conditions of entries, or of names, over a time range.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Timeline {
    /// The lines, in order.
    pub lines: Vec<Line>,
    /// Their phases, by time, then by line.
    pub phases: Vec<Phase>,
    /// The step by which time is cut, if it is.
    pub step: Option<TimeStep>,
}

impl Timeline {
    /// Makes a timeline of phases in any order.
    #[must_use]
    pub fn new(lines: Vec<Line>, mut phases: Vec<Phase>, step: Option<TimeStep>) -> Self {
        phases.sort_unstable_by_key(|phase| (phase.at, phase.line));
        Self { lines, phases, step }
    }

    /// Returns the phases, each with its line.
    pub fn rows(&self) -> impl Iterator<Item = (&Line, &Phase)> {
        self.phases.iter().filter_map(|phase| Some((self.lines.get(phase.line)?, phase)))
    }
}

/// Collects phases, one line after the other.
///
/// Of equal neighbours it keeps only the first, of several at one moment only the last. It drops
/// an end with nothing before it.
#[derive(Debug, Default)]
pub struct Phases {
    collected: Vec<Phase>,
    line: Option<usize>,
    /// The index of the current line's first phase.
    begin: usize,
    /// The end of the current line's last step, and what was last seen before it.
    last_seen: Option<(Timestamp, LastSeen)>,
}

impl Phases {
    /// Starts the next line.
    fn begin(&mut self, line: usize) {
        self.line = Some(line);
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
        if let Some(line) = self.line.filter(|_| before != condition) {
            self.collected.push(Phase { at, line, condition });
        }
    }

    /// Adds what was last seen of a line before the end of a step. The first call for a line is for
    /// the start of the range; the others follow in order of time.
    pub fn take(&mut self, line: usize, end: Timestamp, last_seen: LastSeen) {
        if self.line != Some(line) {
            self.begin(line);
        }
        if let Some((start, before)) = self.last_seen.replace((end, last_seen))
            && let Some(condition) = before.latest().max(last_seen.worst_since(start))
        {
            self.push(start, condition);
        }
    }

    /// Returns the phases.
    #[must_use]
    pub fn finish(self) -> Vec<Phase> {
        self.collected
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
        let range = TimeRange { from: at(from), to: at(to) };
        TimelineQuery::new(range, LineKind::Entry, limit)
    }

    fn past(carried: Option<Condition>, points: &[(i64, Condition)]) -> Past {
        let points = (0..)
            .zip(points)
            .map(|(id, (millis, condition))| (Cursor { at: at(*millis), id }, *condition));
        Past { line: 0, carried, points: points.collect() }
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

    fn conditions() -> impl Strategy<Value = Condition> {
        prop::sample::select(Condition::ALL.as_slice())
    }

    /// Transitions of one entry before, in and after a range.
    fn points() -> impl Strategy<Value = Vec<(Cursor, Condition)>> {
        prop::collection::vec((0..5000_i64, conditions()), 0..40).prop_map(|mut points| {
            points.sort_by_key(|(minute, _)| *minute);
            let cursor = |id, minute| Cursor { at: at(minute * 17_000), id };
            (0..).zip(points).map(|(id, (minute, c))| (cursor(id, minute), c)).collect()
        })
    }

    fn last_seen(points: &[(Cursor, Condition)], before: Timestamp) -> LastSeen {
        LastSeen(Condition::ALL.map(|wanted| {
            let seen = points.iter().filter(|(cursor, c)| cursor.at < before && *c == wanted);
            seen.map(|(cursor, _)| *cursor).max()
        }))
    }

    proptest! {
        #[test]
        fn the_last_seen_show_the_same_steps_as_every_transition_does(
            points in points(), from in 0..50_000_000_i64, length in 1..60_000_000_i64, limit in 1..20_usize,
        ) {
            let query = query(from, from + length, limit);
            let TimeRange { from, to } = query.range;
            let step = query.step_for(1, 1).unwrap();
            let carried = last_seen(&points, from).latest();
            let inside = points.iter().filter(|(cursor, _)| (from..to).contains(&cursor.at));
            let past = Past { line: 0, carried, points: inside.copied().collect() };
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
            let past = Past { line: 0, carried: None, points };
            let (phases, step) = query.show(std::slice::from_ref(&past));
            prop_assert!(phases.len() <= limit);
            prop_assert_eq!(step.is_some(), query.phases(&[past], None).len() > limit);
        }
    }
}
