//! Sightings: updates that changed nothing but times, logged first and folded into rows later.
//!
//! Most updates are of this kind. In the log those of one commit are one row, in pages that follow
//! each other; in `entries` each would rewrite a page of its own. What this saves is in
//! `docs/decisions/0006-sightings.md`.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use hashbrown::HashSet;

use crate::domain::{Batch, ByKey, Entry, Revision, RowChange};

/// How many sightings are logged before they are folded. More are folded less often, since many
/// are of the same entries, and take longer to read at the start.
const LOGGED: usize = 65_536;
/// How many sightings a commit folds at least.
const FOLDED_AT_LEAST: usize = 32;
/// How many sightings a commit folds for each one that it logs. With more than one the log cannot
/// outgrow the folding, however large commits are. Where there are very many entries, each that is
/// folded has a page of its own: a fixed number holds up small commits.
const FOLDED_FOR_EACH: usize = 2;
/// How many commits' rows are taken out of the log at once.
const TRIMMED_AT_ONCE: i64 = 256;

/// What the log holds that the rows do not.
#[derive(Debug)]
pub(super) struct Sightings {
    /// Entries that were seen since the last fold began, as they were seen last.
    recent: HashSet<ByKey>,
    /// How often.
    logged: usize,
    fold: Fold,
}

/// Entries on the way from the log into their rows.
#[derive(Debug)]
struct Fold {
    /// In the order of their keys, so that neighbours are written together.
    queue: BinaryHeap<Reverse<ByKey>>,
    /// Once the queue is empty, the log is not needed up to this commit.
    until: Revision,
    /// Up to this commit the log has no rows.
    trimmed: Revision,
}

/// What a commit does about the log besides its own changes.
#[derive(Debug)]
pub(super) struct FoldStep {
    /// Entries whose times go into their rows.
    pub(super) entries: Vec<Arc<Entry>>,
    /// The commit that they are as of: rows that were written later are newer.
    pub(super) until: Revision,
    /// The log's rows can go up to this commit.
    pub(super) trim: Option<Revision>,
}

impl Sightings {
    /// Makes them of what the log of a database holds: the entries that it has newer times of, how
    /// many sightings in all, and up to which commit it has none.
    pub(super) fn of_log(entries: Vec<Arc<Entry>>, logged: usize, trimmed: Revision) -> Self {
        let recent = entries.into_iter().map(ByKey).collect();
        let fold = Fold { queue: BinaryHeap::new(), until: trimmed, trimmed };
        Self { recent, logged, fold }
    }

    /// Returns what the commit of a batch should do besides. If it fails these sightings are void.
    pub(super) fn next_step(&mut self, batch: &Batch) -> FoldStep {
        let logged = batch.rows().filter(|row| matches!(row, RowChange::Seen(_))).count();
        let at_once = (FOLDED_FOR_EACH * logged).max(FOLDED_AT_LEAST);
        let mut entries = Vec::new();
        while entries.len() < at_once
            && let Some(Reverse(next)) = self.fold.queue.pop()
        {
            // What has been seen again stays in the log, so it is not written twice.
            if !self.recent.contains(&next) {
                entries.push(next.0);
            }
        }
        let Fold { queue, until, trimmed } = &self.fold;
        let trim = (queue.is_empty() && entries.is_empty() && trimmed < until)
            .then(|| Revision(until.0.min(trimmed.0 + TRIMMED_AT_ONCE)));
        FoldStep { entries, until: *until, trim }
    }

    /// Takes note of a commit that has been made, with its step.
    pub(super) fn note(&mut self, batch: &Batch, step: &FoldStep, revision: Revision) {
        for row in batch.rows() {
            let entry = ByKey(Arc::clone(row.entry()));
            if matches!(row, RowChange::Seen(_)) {
                self.recent.replace(entry);
                self.logged += 1;
            } else {
                self.recent.remove(&entry);
            }
        }
        if let Some(trimmed) = step.trim {
            self.fold.trimmed = trimmed;
        }
        let is_idle = self.fold.queue.is_empty() && self.fold.trimmed >= self.fold.until;
        if is_idle && self.logged >= LOGGED {
            self.logged = 0;
            self.fold.queue = self.recent.drain().map(Reverse).collect();
            self.fold.until = revision;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::time::Duration;

    use super::*;
    use crate::domain::{Now, Policy, Report, State, Timestamp};

    const ENTRIES: usize = 60_000;
    const AT_ONCE: usize = 1000;

    /// A batch with the reports of some servers, from one on.
    fn batch(state: &State, first: usize, count: usize, at: i64) -> Batch {
        let now = Now { at: Timestamp::from_millis(at), steady_for: Duration::ZERO };
        let mut batch = Batch::default();
        for number in first..first + count {
            let report = Report::synced("repo", &format!("s{}", number % ENTRIES));
            batch.apply(state, report, now);
        }
        batch
    }

    #[test]
    fn the_log_does_not_outgrow_its_folding_however_large_commits_are() {
        let policy = Policy { stale_after: None, ttl: None };
        let now = Now { at: Timestamp::from_millis(0), steady_for: Duration::ZERO };
        let mut state = State::load(policy, Revision(0), Vec::new(), now);
        state.accept(&batch(&state, 0, ENTRIES, 0), Revision(1));
        let mut sightings = Sightings::of_log(Vec::new(), 0, Revision(1));
        let mut log = VecDeque::new();
        let mut largest = 0;
        for (round, at) in (0..150).zip(1..) {
            let batch = batch(&state, round * AT_ONCE, AT_ONCE, at);
            let step = sightings.next_step(&batch);
            let revision = state.revision().next();
            sightings.note(&batch, &step, revision);
            state.accept(&batch, revision);
            log.push_back(revision);
            while log.front().is_some_and(|first| step.trim.is_some_and(|trim| *first <= trim)) {
                log.pop_front();
            }
            largest = largest.max(log.len() * AT_ONCE);
        }
        assert!(largest >= LOGGED, "it is folded only once there is much of it: {largest}");
        assert!(largest < 3 * LOGGED / 2, "it grows while it is folded: {largest}");
    }
}
