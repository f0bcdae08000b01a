//! Sightings: updates that changed nothing but times, logged first and folded into rows later.
//!
//! Most updates are of this kind. In the log those of one commit are one row, in pages that follow
//! each other; in `entries` each would rewrite a page of its own. What this saves is in
//! `docs/decisions/0006-sightings.md`.

use std::sync::Arc;
use std::vec;

use hashbrown::HashMap;

use super::stored_entries::Unfolded;
use crate::domain::{ByKey, Entry, Place, Plan, Revision, RowChange};

/// How many sightings are logged, at the least, before they are folded. More are folded less often,
/// since many are of the same entries, and take longer to read at the start.
const LOGGED_AT_LEAST: usize = 65_536;
/// A sighting is logged for so many entries, if that is more: where there are very many entries,
/// each page of rows that a fold writes then takes several of them.
const ENTRIES_FOR_EACH: usize = 4;
/// How many entries a commit looks at, at the least, when it folds, and from how many commits it
/// takes the sightings out of the log: who gets few updates should be done before he is restarted.
const AT_LEAST: usize = 32;

/// What the log holds that the rows do not.
#[derive(Debug)]
pub(super) struct Sightings {
    /// Entries that were seen since the last fold began, as they were seen last, and about where
    /// they are among all.
    recent: HashMap<ByKey, Place>,
    /// How often.
    logged: usize,
    fold: Fold,
}

/// Entries on the way from the log into their rows.
#[derive(Debug, Default)]
struct Fold {
    /// About in the order of their rows, so that neighbours are written together.
    queue: vec::IntoIter<(Place, ByKey)>,
    /// How quickly they are taken.
    pace: Pace,
    /// Once the queue is empty, the log is not needed up to this commit.
    until: Revision,
    /// Up to this commit the log has no rows.
    trimmed: Revision,
    /// How quickly the rows of commits go.
    trim_pace: Pace,
}

/// Work that is done bit by bit while so many sightings are logged: the log cannot outgrow it,
/// however large commits are, and no commit has much more of it than its updates deserve.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    work: usize,
    within: usize,
}

impl Pace {
    /// Returns how much is due in a commit that logs so many.
    fn due(self, logged: usize) -> usize {
        (self.work.saturating_mul(logged) / self.within.max(1)).max(AT_LEAST)
    }
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
    /// Makes them of what a database holds: how many entries, what its log has, and the last commit.
    pub(super) fn of_log(entries: usize, unfolded: Unfolded, last: Revision) -> Self {
        let Unfolded { entries: seen, logged, first } = unfolded;
        // They are in order already; where they are among all others is not known.
        let recent = seen.into_iter().map(ByKey).zip((0..).map(|place| (0, place))).collect();
        let trimmed = first.map_or(last, |first| Revision(first.0 - 1));
        let fold = Fold { until: trimmed, trimmed, ..Fold::default() };
        let mut sightings = Self { recent, logged, fold };
        sightings.begin_fold_if_due(entries, last);
        sightings
    }

    /// Returns what the commit of a batch should do besides. If it fails these sightings are void.
    pub(super) fn next_step(&mut self, plan: &Plan) -> FoldStep {
        let logged = plan.rows().filter(|row| matches!(row, RowChange::Seen(_))).count();
        let Fold { queue, pace, until, trimmed, trim_pace } = &mut self.fold;
        // What has been seen again stays in the log, so it is not written twice.
        let taken = queue.take(pace.due(logged));
        let not_seen_again = taken.filter(|(_, entry)| !self.recent.contains_key(entry));
        let entries = not_seen_again.map(|(_, ByKey(entry))| entry).collect();
        // What is folded now is in its rows by the time that the log goes: both are one commit.
        let trim = (queue.as_slice().is_empty() && trimmed < until).then(|| {
            let commits = i64::try_from(trim_pace.due(logged)).unwrap_or(i64::MAX);
            Revision(until.0.min(trimmed.0.saturating_add(commits)))
        });
        FoldStep { entries, until: *until, trim }
    }

    /// Takes note of a commit that has been made, with its step; by now there are so many entries.
    pub(super) fn note(
        &mut self,
        entries: usize,
        plan: &Plan,
        step: &FoldStep,
        revision: Revision,
    ) {
        for (row, place) in plan.rows_in_place() {
            let entry = ByKey(Arc::clone(row.entry()));
            // Taken out first: a map keeps the key that it has, and with it the entry.
            self.recent.remove(&entry);
            if matches!(row, RowChange::Seen(_)) {
                self.recent.insert(entry, place);
                self.logged += 1;
            }
        }
        if let Some(trimmed) = step.trim {
            self.fold.trimmed = trimmed;
        }
        self.begin_fold_if_due(entries, revision);
    }

    /// Begins to fold what was seen up to a commit, if that is enough and nothing else is folded.
    fn begin_fold_if_due(&mut self, entries: usize, until: Revision) {
        let Fold { queue, until: last, trimmed, .. } = &self.fold;
        let enough = LOGGED_AT_LEAST.max(entries / ENTRIES_FOR_EACH);
        if !queue.as_slice().is_empty() || trimmed < last || self.logged < enough {
            return;
        }
        // The log may get half as long again. If folds were cut short it is longer, and this one
        // has to be done sooner; if it is twice as long, with the next sighting.
        let left = (enough + enough / 2).saturating_sub(self.logged).max(enough / 8);
        let within = if self.logged < 2 * enough { left } else { 1 };
        let mut queue: Vec<_> = self.recent.drain().map(|(entry, place)| (place, entry)).collect();
        queue.sort_unstable_by_key(|(place, _)| *place);
        let commits = usize::try_from(until.0 - trimmed.0).unwrap_or(usize::MAX);
        self.fold = Fold {
            pace: Pace { work: queue.len(), within: within * 3 / 4 },
            queue: queue.into_iter(),
            until,
            trimmed: *trimmed,
            trim_pace: Pace { work: commits, within: within / 4 },
        };
        self.logged = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::time::Duration;

    use super::*;
    use crate::domain::{Now, Policy, Report, Snapshot, Timestamp};

    /// A batch with the reports of some of so many servers, from one on.
    fn plan(snapshot: &Snapshot, servers: usize, first: usize, count: usize, at: i64) -> Plan {
        let now = Now { at: Timestamp::from_millis(at), steady_for: Duration::ZERO };
        let mut plan = Plan::default();
        for number in first..first + count {
            let report = Report::synced("repo", &format!("s{}", number % servers));
            plan.apply(snapshot, report, now);
        }
        plan
    }

    /// Returns how long the log of so many servers gets, by commits of so many sightings and a
    /// restart after so many commits.
    fn longest_log(servers: usize, at_once: usize, commits: usize, restart_after: usize) -> usize {
        let policy = Policy { stale_after: None, ttl: None };
        let now = Now { at: Timestamp::from_millis(0), steady_for: Duration::ZERO };
        let mut snapshot = Snapshot::load(policy, Revision(0), Vec::new(), now);
        snapshot.accept(&plan(&snapshot, servers, 0, servers, 0), Revision(1));
        let mut log = VecDeque::new();
        let begun = |snapshot: &Snapshot, log: &VecDeque<Revision>| {
            let standings = snapshot.segments().iter().flat_map(|segment| segment.standings());
            let entries = standings.map(|standing| Arc::clone(standing.entry())).collect();
            let unfolded =
                Unfolded { entries, logged: log.len() * at_once, first: log.front().copied() };
            Sightings::of_log(servers, unfolded, snapshot.revision())
        };
        let mut sightings = begun(&snapshot, &log);
        let mut longest = 0;
        for (round, at) in (0..commits).zip(1..) {
            if round % restart_after == restart_after - 1 {
                sightings = begun(&snapshot, &log);
            }
            let plan = plan(&snapshot, servers, round * at_once, at_once, at);
            let step = sightings.next_step(&plan);
            let revision = snapshot.revision().next();
            sightings.note(servers, &plan, &step, revision);
            snapshot.accept(&plan, revision);
            log.push_back(revision);
            while log.front().is_some_and(|first| step.trim.is_some_and(|trim| *first <= trim)) {
                log.pop_front();
            }
            longest = longest.max(log.len() * at_once);
        }
        longest
    }

    #[test]
    fn the_log_does_not_outgrow_its_folding_however_large_commits_are() {
        let longest = longest_log(60_000, 1000, 200, usize::MAX);
        assert!(
            longest >= LOGGED_AT_LEAST,
            "it is folded only once there is much of it: {longest}"
        );
        assert!(longest < 3 * LOGGED_AT_LEAST / 2, "it grows while it is folded: {longest}");
    }

    #[test]
    fn restarts_while_the_log_is_folded_do_not_let_it_grow_for_ever() {
        for commits in [1, 3, 8, 12] {
            let longest = longest_log(5000, 1000, 200, commits);
            assert!(longest < 5 * LOGGED_AT_LEAST / 2, "by {commits} large commits: {longest}");
        }
        let longest = longest_log(5000, 10, 12_000, 100);
        assert!(longest < 2 * LOGGED_AT_LEAST, "by small commits: {longest}");
    }
}
