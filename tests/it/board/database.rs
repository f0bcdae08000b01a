//! The database that all boards share, as PostgreSQL will be: one commit after the other, refused if
//! another one has changed a pair of it since the revision that it was planned for.

mod looks;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gitops_status_server::board::Board;
use gitops_status_server::clock::{Clock, ManualClock};
use gitops_status_server::domain::{
    Actor, Changes, CommitId, Entry, Event, Head, Key, Plan, ReportedTime, Revision, RowChange,
    Sighting, Transition,
};
use gitops_status_server::store::{CommitError, CommitOutcome, Committed, Loaded};

use super::fake_store::unavailable;
use super::faults::Faults;
use super::history::Past;
use super::model::{Applied, Model};
use crate::support::Random;

pub use looks::shown;

type Rows = BTreeMap<Key, Arc<Entry>>;

/// What a commit does to a row.
#[derive(Clone, Debug)]
enum Row {
    Put(Arc<Entry>),
    /// Only times change: whatever else the row has stays.
    Seen(Arc<Entry>),
    Removed,
}

/// A commit on its way to the database.
#[derive(Debug)]
pub struct Statement {
    expected: Head,
    pub id: CommitId,
    rows: BTreeMap<Key, Row>,
    told: Vec<Transition>,
    /// The requests that take effect with it, in order.
    requests: Vec<usize>,
}

impl Statement {
    pub fn of(plan: &Plan, expected: Head, id: CommitId) -> Self {
        let row = |row: &RowChange| {
            let entry = Arc::clone(row.entry());
            let key = entry.report.to_key();
            let row = match row {
                RowChange::Put(_) => Row::Put(entry),
                RowChange::Seen(_) => Row::Seen(entry),
                RowChange::Removed(_) => Row::Removed,
            };
            (key, row)
        };
        let deleted = plan.transitions().iter().filter(|told| told.event == Event::Deleted);
        let mut deleted_by = deleted.map(|told| told.by.as_ref().map(Actor::as_str));
        let requests = plan.news().iter().filter_map(|change| match change.event {
            Some(Event::Stale | Event::Expired) => None,
            Some(Event::Deleted) => Some(deleted_by.next().unwrap().unwrap().parse().unwrap()),
            _ => Some(number_of(change.entry.report.last_check)),
        });
        let requests = requests.collect();
        let rows = plan.rows().map(row).collect();
        Self { expected, id, rows, told: plan.transitions().to_vec(), requests }
    }
}

/// Returns the number of a request from the time that it says.
fn number_of(time: ReportedTime) -> usize {
    time.instant().1 as usize
}

/// A commit, and everything as it is after it.
struct Commit {
    id: CommitId,
    changes: Changes,
    keys: BTreeSet<Key>,
    requests: Vec<usize>,
    rows: Rows,
    pasts: BTreeMap<Key, Past>,
}

/// Why the database takes nothing for a while.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Trouble {
    Full,
    Down,
}

/// Everything that the boards share, and what is known of them.
pub struct Database {
    pub random: Random,
    pub faults: Faults,
    pub model: Model,
    pub clock: ManualClock,
    /// The boards that run.
    pub boards: Vec<Option<Board>>,
    /// The revision of each board and the number of forks, when it was looked at last.
    looked: Vec<(usize, usize)>,
    /// Commits that were reported as failed and may be applied yet.
    pub on_their_way: Vec<Statement>,
    /// How many calls are being answered.
    pub calls: usize,
    /// The commit of each revision, from revision 0 on.
    commits: Vec<Commit>,
    /// The oldest revision that is remembered.
    oldest: usize,
    /// The last revision that was confirmed to anybody.
    pub confirmed: usize,
    trouble: Option<(Trouble, usize)>,
    poisoned: BTreeSet<Key>,
    pub applied: Applied,
    /// The rows of every commit that ever was, also of those that a fork has undone, by revision.
    ever: Vec<Vec<Rows>>,
    /// Where each pair has ended, within a commit.
    ended: Vec<(usize, Key)>,
}

impl Database {
    pub fn new(random: Random, faults: Faults, model: Model, clock: ManualClock) -> Self {
        let first = Commit {
            id: Head::default().id,
            changes: Changes::default(),
            keys: BTreeSet::new(),
            requests: vec![],
            rows: Rows::new(),
            pasts: BTreeMap::new(),
        };
        let boards = model.faults.len();
        Self {
            random,
            faults,
            model,
            clock,
            boards: vec![None; boards],
            looked: vec![(0, 0); boards],
            on_their_way: vec![],
            calls: 0,
            commits: vec![first],
            oldest: 0,
            confirmed: 0,
            trouble: None,
            poisoned: BTreeSet::new(),
            applied: Applied::new(),
            ever: vec![vec![Rows::new()]],
            ended: vec![],
        }
    }

    /// Notes a board that begins.
    pub fn begin(&mut self, number: usize, board: Board) {
        self.looked[number] = (shown(&board).0, self.model.forks);
        self.boards[number] = Some(board);
    }

    pub fn last(&self) -> usize {
        self.commits.len() - 1
    }

    fn head(&self) -> Head {
        Head { revision: revision(self.last()), id: self.commits[self.last()].id }
    }

    pub fn is_down(&self) -> bool {
        matches!(self.trouble, Some((Trouble::Down, _)))
    }

    /// Notes that a commit was confirmed to somebody, and so all before it.
    pub fn confirm(&mut self, revision: Revision) {
        self.confirmed = self.confirmed.max(index(revision));
    }

    /// Ends all faults; what is on its way arrives or not.
    pub fn calm_down(&mut self) {
        self.faults = Faults::default();
        self.trouble = None;
        let now = self.clock.monotonic();
        for key in std::mem::take(&mut self.poisoned) {
            self.model.poisoned_at.insert(key, now);
        }
        while self.apply_a_late_one() {}
    }

    /// Lets happen what happens to a database between two calls.
    pub fn let_things_happen(&mut self) {
        if let Some((trouble, calls)) = self.trouble {
            self.trouble = calls.checked_sub(1).map(|left| (trouble, left));
        } else if self.random.per_mille(self.faults.full) {
            self.trouble = Some((Trouble::Full, self.random.below(12)));
        } else if self.random.per_mille(self.faults.down) {
            self.trouble = Some((Trouble::Down, self.random.below(12)));
        }
        if self.random.per_mille(300) {
            self.apply_a_late_one();
        }
        if self.random.per_mille(self.faults.fork) {
            self.fork();
        }
        if self.random.per_mille(self.faults.trim) {
            let last = self.last();
            self.oldest = self.oldest.max(last - self.random.below(3).min(last));
            self.model.step(|| format!("the log of commits was trimmed at {last}"));
        }
        let keys: Vec<Key> = self.commits[self.last()].pasts.keys().cloned().collect();
        if !keys.is_empty() && self.random.per_mille(self.faults.poison) {
            let key = keys[self.random.below(keys.len())].clone();
            self.model.step(|| format!("{key:?} can be stored no more, or again"));
            if !self.poisoned.remove(&key) {
                self.poisoned.insert(key);
            }
        }
    }

    /// Applies a commit that was thought lost, or loses it. Returns whether there was any.
    fn apply_a_late_one(&mut self) -> bool {
        if self.on_their_way.is_empty() {
            return false;
        }
        let late = self.on_their_way.swap_remove(self.random.below(self.on_their_way.len()));
        if self.random.per_mille(700) {
            let answer = self.apply(&late);
            self.model.step(|| format!("commit {:?} comes late -> {answer:?}", late.id));
        }
        true
    }

    /// Lets a standby take over that lacks the last commits.
    fn fork(&mut self) {
        let last = self.last();
        let lacks_at_most =
            if self.faults.is_standby_synchronous { last - self.confirmed } else { 3 };
        let lacks = self.random.below(lacks_at_most.min(last) + 1);
        let last = last - lacks;
        self.model.step(|| format!("a standby takes over at revision {last}"));
        for commit in self.commits.drain(last + 1..) {
            for request in commit.requests {
                self.applied.remove(&request);
                if !self.faults.is_standby_synchronous {
                    self.model.undone.insert(request);
                }
            }
        }
        self.confirmed = self.confirmed.min(last);
        self.oldest = self.oldest.min(last);
        self.model.forks += usize::from(lacks > 0);
    }

    /// Whether a commit is of the present history, and the log goes back that far.
    fn continues(&self, Head { revision, id }: Head) -> bool {
        let revision = index(revision);
        revision >= self.oldest && self.commits.get(revision).is_some_and(|commit| commit.id == id)
    }

    fn missed(&self, since: Head, before: usize) -> Vec<Changes> {
        let missed = &self.commits[index(since.revision) + 1..before];
        missed.iter().map(|commit| commit.changes.clone()).collect()
    }

    /// Applies a commit as a whole or not at all.
    pub fn apply(&mut self, statement: &Statement) -> Result<Committed, CommitError> {
        let Statement { expected, id, rows, told, requests } = statement;
        if !self.continues(*expected) {
            return Err(CommitError::Diverged);
        }
        let next = self.commits.len();
        let missed = self.missed(*expected, next);
        let others = &self.commits[index(expected.revision) + 1..];
        let concerns = others.iter().any(|other| rows.keys().any(|key| other.keys.contains(key)));
        if !missed.is_empty() && self.random.per_mille(self.faults.false_conflict) {
            // Or only what comes first of much.
            let first = 1 + self.random.below(missed.len());
            return Err(CommitError::Conflict(missed.into_iter().take(first).collect()));
        }
        if concerns {
            return Err(CommitError::Conflict(missed));
        }
        if matches!(self.trouble, Some((Trouble::Full, _))) {
            return Err(CommitError::NoSpace(unavailable("the disk is full")));
        }
        let bad: Vec<_> = rows.keys().filter(|key| self.poisoned.contains(key)).cloned().collect();
        if !bad.is_empty() {
            let now = self.clock.monotonic();
            self.model.poisoned_at.extend(bad.into_iter().map(|key| (key, now)));
            return Err(CommitError::Content(unavailable("a page is damaged")));
        }
        let before = &self.commits[next - 1];
        let (mut after, mut pasts) = (before.rows.clone(), before.pasts.clone());
        let mut wrong = Vec::new();
        for told in told {
            let key = Key { repo: told.repo.clone(), server: told.server.clone() };
            if matches!(told.event, Event::Deleted | Event::Expired) {
                self.ended.push((next, key.clone()));
            }
            let past = pasts.entry(key).or_default();
            wrong.extend(past.follow(told).err());
        }
        for (key, row) in rows {
            match row {
                Row::Put(entry) => drop(after.insert(key.clone(), Arc::clone(entry))),
                Row::Removed => drop(after.remove(key)),
                Row::Seen(entry) => match after.get_mut(key) {
                    Some(row) if entry.differs_in_times_only(row) => *row = Arc::clone(entry),
                    row => wrong.push(format!("{entry:?} is seen instead of {row:?}")),
                },
            }
            let row = after.get(key).map(|entry| &**entry);
            wrong.extend(pasts.entry(key.clone()).or_default().agree_with(row).err());
        }
        for (place, request) in requests.iter().enumerate() {
            self.applied.entry(*request).or_default().push((next, place));
        }
        for wrong in wrong {
            self.model.note_wrong(format!("commit {id:?} at revision {next}: {wrong}"));
        }
        let mut changes =
            Changes { head: Head { revision: revision(next), id: *id }, ..Changes::default() };
        for (key, row) in rows {
            match row {
                Row::Put(entry) => changes.put.push(Arc::clone(entry)),
                Row::Seen(entry) => changes.seen.push(Sighting::of(entry)),
                Row::Removed => changes.removed.push(key.clone()),
            }
        }
        self.ever.resize(self.ever.len().max(next + 1), vec![]);
        self.ever[next].push(after.clone());
        let (keys, requests) = (rows.keys().cloned().collect(), requests.clone());
        self.commits.push(Commit { id: *id, changes, keys, requests, rows: after, pasts });
        Ok(Committed { head: Head { revision: revision(next), id: *id }, missed })
    }

    /// Returns what became of a commit. If it was not made, it will not be.
    pub fn outcome(&mut self, since: Head, id: CommitId) -> CommitOutcome {
        if !self.continues(since) {
            return CommitOutcome::Reload;
        }
        self.on_their_way.retain(|statement| statement.id != id);
        match self.commits.iter().rposition(|commit| commit.id == id) {
            Some(made) => {
                self.confirm(revision(made));
                let missed = self.missed(since, made);
                CommitOutcome::Made(Committed {
                    head: Head { revision: revision(made), id },
                    missed,
                })
            }
            None => CommitOutcome::NotMade { missed: self.missed(since, self.commits.len()) },
        }
    }

    /// Returns the sum of the next changes since a commit, unless that is unknown or forgotten.
    pub fn changes_since(&mut self, since: Head, are_all_read: bool) -> Option<Changes> {
        self.continues(since).then(|| {
            let mut missed = self.missed(since, self.commits.len());
            if !are_all_read && self.random.per_mille(self.faults.false_conflict) {
                missed.truncate(1);
            }
            let mut sum = Changes { head: since, ..Changes::default() };
            sum.extend(missed);
            sum
        })
    }

    pub fn load(&self) -> Loaded {
        let entries = self.commits[self.last()].rows.values().cloned().collect();
        let (store_id, head) = ("fake".to_owned(), self.head());
        Loaded { store_id, head, entries, outages: Vec::new(), restored_at: None }
    }
}

fn index(revision: Revision) -> usize {
    usize::try_from(revision.0).unwrap()
}

fn revision(index: usize) -> Revision {
    Revision(i64::try_from(index).unwrap())
}
