//! Sightings: updates that changed nothing but times, logged first and folded into rows later.
//!
//! Most updates are sightings. In the log those of one commit are one row; in `entries` each would
//! rewrite a page of its own. `docs/decisions/0006-sightings.md` has the reasons and the numbers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::vec;

use hashbrown::HashMap;

use super::stored_entries::Unfolded;
use crate::domain::{ByKey, Entry, Place, Plan, Revision, RowChange};

/// A fold begins at this many logged sightings, or at one for every four entries if that is more.
/// A longer log is folded less often and takes longer to read at the start.
const LOGGED_AT_LEAST: usize = 65_536;
/// With many entries, waiting for this share of them lets a fold write several entries to a page.
const ENTRIES_PER_LOGGED: usize = 4;

/// A fold writes its entries while a third as many sightings are logged as before it, and then
/// deletes eight rows of the log for each sighting. So the log grows by less than half meanwhile.
const FOLDED_WITHIN: usize = 3;
const LOG_ROWS_PER_SIGHTING: usize = 8;
/// Each commit does at least this much, so that small commits finish a fold too.
const AT_LEAST: usize = 32;
/// How many commits fold nothing after a fold has failed: each failure costs a connection.
const COMMITS_WITHOUT_FOLD: usize = 16;

/// What the log holds that the rows do not.
#[derive(Debug)]
pub(super) struct Sightings {
    /// Entries that were seen since the last fold began, with their last times and about their
    /// position among all entries.
    recent: HashMap<ByKey, Place>,
    /// How many sightings were logged since the last fold began.
    logged: usize,
    /// The commits that have a row in the log.
    commits: VecDeque<Revision>,
    /// Entries whose rows cannot take their times. The next commit logs these once more, so that the
    /// log can be trimmed without losing them.
    log_again: Vec<(Place, ByKey)>,
    fold: Fold,
}

/// The last fold. It is under way while the log has rows up to `until`.
#[derive(Debug)]
struct Fold {
    /// Entries to write, about in the order of their rows, so that neighbours are written together.
    queue: vec::IntoIter<(Place, ByKey)>,
    /// How many of them a commit writes for each sighting that it logs.
    entries_per_sighting: usize,
    /// The commit that the fold began after.
    until: Revision,
    /// Whether the next commit does all of it.
    is_overdue: bool,
    /// The most entries that are written at once: halved by each failure, down to the entry that
    /// fails, and doubled again by each success.
    at_most: usize,
    /// How many more commits fold nothing.
    pause: usize,
}

impl Fold {
    /// Makes a fold of entries that were seen `logged` times.
    fn new(queue: Vec<(Place, ByKey)>, logged: usize, until: Revision, is_overdue: bool) -> Self {
        let entries_per_sighting = (FOLDED_WITHIN * queue.len()).div_ceil(logged.max(1));
        let queue = queue.into_iter();
        Self { queue, entries_per_sighting, until, is_overdue, at_most: usize::MAX, pause: 0 }
    }

    /// Takes entries off the queue.
    fn take(&mut self, count: usize) -> impl Iterator<Item = (Place, ByKey)> {
        self.queue.by_ref().take(count)
    }
}

/// What a commit does about the log besides its own changes.
#[derive(Debug)]
pub(super) struct FoldStep {
    /// Entries whose last times are logged once more, with their positions.
    pub(super) log_again: Vec<(Place, ByKey)>,
    /// Entries whose times go into their rows.
    pub(super) entries: Vec<Arc<Entry>>,
    /// How many entries this takes off the queue, with those that were seen again.
    taken: usize,
    /// The commit that the entries are as of: rows that were written later are newer.
    pub(super) until: Revision,
    /// Delete the log's rows up to this commit.
    pub(super) trim: Option<Revision>,
}

impl FoldStep {
    pub(super) fn folds(&self) -> bool {
        !self.entries.is_empty() || self.trim.is_some()
    }

    pub(super) fn without_fold(&self) -> Self {
        let (log_again, until) = (self.log_again.clone(), self.until);
        Self { log_again, entries: Vec::new(), taken: 0, until, trim: None }
    }
}

impl Sightings {
    /// Makes them from what a database holds: the number of entries, the log, and the last commit.
    pub(super) fn of_log(entries: usize, unfolded: Unfolded, last: Revision) -> Self {
        let Unfolded { entries: seen, logged, commits } = unfolded;
        // They are in order already; their position among the other entries is not known.
        let recent = seen.into_iter().map(ByKey).zip((0..).map(|place| (0, place))).collect();
        let fold = Fold::new(Vec::new(), 0, Revision(0), false);
        let mut sightings = Self { recent, logged, commits, log_again: Vec::new(), fold };
        sightings.begin_fold_if_due(entries, last);
        sightings
    }

    /// Returns what the commit of a plan should do besides.
    pub(super) fn next_step(&self, plan: &Plan) -> FoldStep {
        let logged = plan.rows().filter(|row| matches!(row, RowChange::Seen(_))).count();
        let Fold { queue, entries_per_sighting, until, is_overdue, at_most, pause } = &self.fold;
        let share = |per_sighting: usize| {
            if *is_overdue { usize::MAX } else { (per_sighting * logged).max(AT_LEAST) }
        };
        let queue = queue.as_slice();
        let taken = queue.len().min(share(*entries_per_sighting)).min(*at_most);
        // What has been seen again stays in the log, so it is not written twice.
        let taken_entries = queue.iter().take(taken);
        let not_seen_again = taken_entries.filter(|(_, entry)| !self.recent.contains_key(entry));
        let entries = not_seen_again.map(|(_, ByKey(entry))| Arc::clone(entry)).collect();
        let folded = self.commits.iter().take_while(|commit| **commit <= *until);
        // The last entries are written in the same commit, so the log's rows may go with them.
        let trim = if taken == queue.len() {
            folded.take(share(LOG_ROWS_PER_SIGHTING)).last().copied()
        } else {
            None
        };
        let log_again =
            self.log_again.iter().filter(|(_, entry)| plan.row(entry.0.key()).is_none());
        let log_again = log_again.cloned().collect();
        let step = FoldStep { log_again, entries, taken, until: *until, trim };
        if *pause == 0 { step } else { step.without_fold() }
    }

    /// Notes that a commit was made, with its step; there are now this many entries.
    pub(super) fn note(
        &mut self,
        entries: usize,
        plan: &Plan,
        step: &FoldStep,
        revision: Revision,
    ) {
        let logged = self.logged;
        for (row, place) in plan.rows_in_place() {
            let entry = ByKey(Arc::clone(row.entry()));
            // Removed first: on `insert`, a map keeps the key that it has, and with it the old
            // entry.
            self.recent.remove(&entry);
            if matches!(row, RowChange::Seen(_)) {
                self.recent.insert(entry, place);
                self.logged += 1;
            }
        }
        // The plan has a later word on the others.
        self.log_again.clear();
        self.logged += step.log_again.len();
        self.recent.extend(step.log_again.iter().map(|(place, entry)| (entry.clone(), *place)));
        if self.logged > logged {
            self.commits.push_back(revision);
        }
        self.fold.pause = self.fold.pause.saturating_sub(1);
        if step.taken > 0 {
            self.fold.take(step.taken).for_each(drop);
            self.fold.at_most = self.fold.at_most.saturating_mul(2);
        }
        if let Some(trim) = step.trim {
            let deleted = self.commits.partition_point(|commit| *commit <= trim);
            self.commits.drain(..deleted);
        }
        self.begin_fold_if_due(entries, revision);
    }

    /// Notes that the commit of a plan fails with the fold of a step, and was made without it.
    pub(super) fn note_failure(&mut self, plan: &Plan, step: &FoldStep) {
        self.fold.pause = COMMITS_WITHOUT_FOLD;
        self.fold.at_most = (step.taken / 2).max(1);
        if step.entries.len() == 1 {
            let Self { recent, fold, log_again, .. } = self;
            let taken = fold.take(step.taken);
            log_again.extend(taken.filter(|(_, entry)| {
                !recent.contains_key(entry) && plan.row(entry.0.key()).is_none()
            }));
        }
    }

    /// Begins to fold what was seen up to a commit, if that is enough and no fold is under way.
    fn begin_fold_if_due(&mut self, entries: usize, until: Revision) {
        let enough = LOGGED_AT_LEAST.max(entries / ENTRIES_PER_LOGGED);
        let is_folding = self.commits.front().is_some_and(|first| *first <= self.fold.until);
        if is_folding || self.logged < enough {
            return;
        }
        let mut queue: Vec<_> = self.recent.drain().map(|(entry, place)| (place, entry)).collect();
        queue.sort_unstable_by_key(|(place, _)| *place);
        // The log gets this long only if restarts cut its folds short.
        let is_overdue = self.logged >= 2 * enough;
        self.fold = Fold::new(queue, self.logged, until, is_overdue);
        self.logged = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::time::Duration;

    use super::*;
    use crate::domain::{Head, Now, Policy, Report, Snapshot, Timestamp};

    /// A plan with `count` reports of consecutive servers, from number `first` on.
    fn plan(snapshot: &Snapshot, servers: usize, first: usize, count: usize, at: i64) -> Plan {
        let now = Now { at: Timestamp::from_millis(at), steady_for: Duration::ZERO };
        let mut plan = Plan::default();
        for number in first..first + count {
            let report = Report::synced("repo", &format!("s{}", number % servers));
            plan.apply(snapshot, report, now);
        }
        plan
    }

    /// Returns the greatest length of the log in a number of commits of `at_once` sightings each,
    /// with a restart after every `restart_after` commits.
    fn longest_log(servers: usize, at_once: usize, commits: usize, restart_after: usize) -> usize {
        let policy = Policy::new(None, None);
        let now = Now { at: Timestamp::from_millis(0), steady_for: Duration::ZERO };
        let mut snapshot = Snapshot::load(policy, Head::default(), Vec::new(), now);
        snapshot.accept(&plan(&snapshot, servers, 0, servers, 0), Revision(1).into());
        let mut log = VecDeque::new();
        let begun = |snapshot: &Snapshot, log: &VecDeque<Revision>| {
            let standings = snapshot.segments().iter().flat_map(|segment| segment.standings());
            let entries = standings.map(|standing| Arc::clone(standing.entry())).collect();
            let unfolded = Unfolded { entries, logged: log.len() * at_once, commits: log.clone() };
            Sightings::of_log(servers, unfolded, snapshot.head().revision)
        };
        let mut sightings = begun(&snapshot, &log);
        let mut longest = 0;
        for (round, at) in (0..commits).zip(1..) {
            if round % restart_after == restart_after - 1 {
                sightings = begun(&snapshot, &log);
            }
            let plan = plan(&snapshot, servers, round * at_once, at_once, at);
            let step = sightings.next_step(&plan);
            let head = snapshot.head().next();
            sightings.note(servers, &plan, &step, head.revision);
            snapshot.accept(&plan, head);
            log.push_back(head.revision);
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
        // Each life is too short to write all entries at the usual pace.
        let longest = longest_log(5000, 100, 1500, 10);
        assert!(longest >= 2 * LOGGED_AT_LEAST, "no fold is overdue: {longest}");
        assert!(longest < 5 * LOGGED_AT_LEAST / 2, "by small commits: {longest}");
    }
}
