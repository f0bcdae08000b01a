//! The timeline of names, from the transitions of their entries in the order of time.
//!
//! It passes by every transition once and keeps only how each entry stands and what may be shown.

use super::{Condition, Grouping, Phase, TimeRange, TimeStep, TimelineQuery, Timestamp};

/// How many steps are tried at once. Each needs memory for as many phases as may be shown.
const MOST_STEPS_TRIED: usize = 4;

/// A timeline of names in the making.
#[derive(Debug)]
pub struct TimelineByName<'a> {
    grouping: &'a Grouping,
    /// The condition of each entry.
    entries: Vec<Condition>,
    /// How many entries of each line are in each condition.
    lines: Vec<Census>,
    /// What may be shown, the finest first. The last one is within the limit whatever comes.
    cuts: Vec<Cut>,
    limit: usize,
}

impl<'a> TimelineByName<'a> {
    /// Makes one, given how each entry stood just before the range.
    #[must_use]
    pub fn new(query: &TimelineQuery, grouping: &'a Grouping, entries: Vec<Condition>) -> Self {
        let mut lines: Vec<Census> = grouping.lines.iter().map(|_| Census::default()).collect();
        for (entry, condition) in entries.iter().enumerate() {
            if let Some(census) = grouping.line_of(entry).and_then(|line| lines.get_mut(line)) {
                *census.of(*condition) += 1;
            }
        }
        let steps = query.steps_to_try(lines.len(), MOST_STEPS_TRIED);
        let steps = [None].into_iter().chain(steps.into_iter().map(Some));
        let cuts = steps.map(|step| Cut::new(query.range, step, &lines)).collect();
        Self { grouping, entries, lines, cuts, limit: query.limit }
    }

    /// Takes the next transition.
    pub fn take(&mut self, at: Timestamp, entry: usize, condition: Condition) {
        let Some(before) = self.entries.get_mut(entry) else { return };
        let before = std::mem::replace(before, condition);
        let Some(line) = self.grouping.line_of(entry) else { return };
        let Some(census) = self.lines.get_mut(line) else { return };
        let worst_before = census.worst();
        *census.of(before) = census.of(before).saturating_sub(1);
        *census.of(condition) += 1;
        let worst = census.worst();
        if worst != worst_before {
            self.cuts.iter_mut().for_each(|cut| cut.take(at, line, worst));
            self.cuts.retain(|cut| cut.phases.len() <= self.limit);
        }
    }

    /// Returns the phases: all of them if they are within the limit, otherwise those of the finest
    /// step of the tried ones that keeps within it.
    #[must_use]
    pub fn finish(self) -> (Vec<Phase>, Option<TimeStep>) {
        let cuts = self.cuts.into_iter().map(|cut| (cut.step, cut.finish()));
        let mut cuts = cuts.skip_while(|(_, phases)| phases.len() > self.limit);
        cuts.next().map(|(step, phases)| (phases, step)).unwrap_or_default()
    }
}

/// The phases of all lines: every one, or the worst of each step.
#[derive(Debug)]
struct Cut {
    range: TimeRange,
    step: Option<TimeStep>,
    lines: Vec<Shown>,
    phases: Vec<Phase>,
}

/// What one line shows last.
#[derive(Debug)]
struct Shown {
    /// The condition before the last phase.
    before: Condition,
    /// The last phase. It can still become another.
    at: Timestamp,
    condition: Condition,
    /// The condition now, which the next step begins with.
    now: Condition,
}

impl Cut {
    fn new(range: TimeRange, step: Option<TimeStep>, lines: &[Census]) -> Self {
        let shown = lines.iter().map(|census| {
            let condition = census.worst();
            Shown { before: Condition::Ended, at: range.from, condition, now: condition }
        });
        Self { range, step, lines: shown.collect(), phases: Vec::new() }
    }

    fn take(&mut self, at: Timestamp, line: usize, condition: Condition) {
        let Some(shown) = self.lines.get_mut(line) else { return };
        let now = std::mem::replace(&mut shown.now, condition);
        let Some(step) = self.step else {
            self.phases.extend(shown.push(line, at, condition));
            return;
        };
        // The phase of a step begins with it, in the worst condition of that step.
        let start = step.start(at).max(self.range.from);
        if shown.at < start {
            self.phases.extend(shown.push(line, step.end(shown.at), now));
            self.phases.extend(shown.push(line, start, now));
        }
        shown.condition = shown.condition.max(condition);
    }

    fn finish(mut self) -> Vec<Phase> {
        for (line, shown) in self.lines.iter_mut().enumerate() {
            if let Some(end) = self.step.map(|step| step.end(shown.at))
                && end < self.range.to
            {
                self.phases.extend(shown.push(line, end, shown.now));
            }
            self.phases.extend(shown.last(line));
        }
        self.phases
    }
}

impl Shown {
    /// Begins the next phase and returns the one before, unless that shows nothing new. Of several at
    /// one moment, the last counts.
    fn push(&mut self, line: usize, at: Timestamp, condition: Condition) -> Option<Phase> {
        let last = (self.at != at).then(|| self.last(line)).flatten();
        (self.at, self.condition) = (at, condition);
        last
    }

    fn last(&mut self, line: usize) -> Option<Phase> {
        let Self { before, at, condition, now: _ } = self;
        let is_new = std::mem::replace(before, *condition) != *condition;
        is_new.then_some(Phase { at: *at, line, condition: *condition })
    }
}

/// How many entries are in each condition, in the order of [`Condition::ALL`].
#[derive(Debug, Default)]
struct Census([usize; 4]);

impl Census {
    fn of(&mut self, condition: Condition) -> &mut usize {
        let Self([ended, synced, stale, out_of_sync]) = self;
        match condition {
            Condition::Ended => ended,
            Condition::Synced => synced,
            Condition::Stale => stale,
            Condition::OutOfSync => out_of_sync,
        }
    }

    fn worst(&self) -> Condition {
        let counted = self.0.iter().zip(Condition::ALL).rev().find(|(count, _)| **count > 0);
        counted.map_or(Condition::Ended, |(_, condition)| condition)
    }
}
