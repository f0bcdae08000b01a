//! The committer: plans requests, commits the plans and publishes them.
//!
//! Nobody else knows that a commit's outcome can be unknown, that others can commit first, or that a
//! single entry can make a commit fail. See `docs/decisions/0018-one-way-in.md`.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use super::board::Answers;
use super::item::{Asked, Item, split};
use super::log_line;
use super::published::Published;
use super::quarantine::Quarantine;
use super::timekeeper::Timekeeper;
use crate::domain::{Changes, Now, Plan, Request, Revision, Snapshot};
use crate::metrics::Commits;
use crate::store::{CommitError, CommitId, CommitOutcome, Committed, Loaded, Store, StoreError};

/// How many entries are settled in one commit: few enough not to hold up an update for longer than
/// a commit takes.
const SETTLED_AT_ONCE: usize = 32;
/// How often the same requests are planned again because others have committed first.
const ATTEMPTS: usize = 64;
/// How long a batch whose content fails is taken apart, before the rest is put in quarantine.
const TAKING_APART: Duration = Duration::from_secs(2);

/// Makes commits, and publishes them.
pub(super) struct Committer {
    published: Arc<Published>,
    store: Arc<dyn Store>,
    metrics: Commits,
    ids: CommitIds,
    quarantine: Quarantine,
    /// Whether the published snapshot may lack a commit.
    is_in_doubt: bool,
    /// Published plans that are not in the log yet.
    unlogged: Vec<Plan>,
}

/// What an attempt to commit a plan has come to.
enum Attempt {
    /// It is stored and published.
    Stored(Plan),
    /// Its content cannot be stored; other content may.
    Unfit(StoreError),
    /// Nothing can be stored at present.
    Failed,
}

/// Why a plan was not stored.
enum Failure {
    /// Others have committed first, and the published snapshot has followed them.
    Overtaken,
    /// Its content cannot be stored.
    Unfit(StoreError),
    /// The store does not work.
    Broken(StoreError),
}

impl Committer {
    pub(super) fn new(published: Arc<Published>, store: Arc<dyn Store>, metrics: Commits) -> Self {
        Self {
            published,
            store,
            metrics,
            ids: CommitIds::new(),
            quarantine: Quarantine::default(),
            is_in_doubt: false,
            unlogged: Vec::new(),
        }
    }

    /// Stores a batch of requests. Returns what came of each, in order.
    pub(super) async fn store(&mut self, requests: &[&Request], time: &mut Timekeeper) -> Answers {
        let mut asked = Asked::all(requests);
        self.store_apart(&mut asked, time).await;
        if !asked.is_sorted_by_key(|asked| asked.position) {
            asked.sort_unstable_by_key(|asked| asked.position);
        }
        asked.into_iter().map(|asked| asked.answer).collect()
    }

    /// Stores what the clock has done to some entries. Returns whether there may be more of them.
    pub(super) async fn settle(&mut self, time: &mut Timekeeper) -> bool {
        let (now, at) = (time.now(), time.monotonic());
        if !self.published.is_storing() {
            return false;
        }
        let has_quarantine = self.quarantine.has_any(at);
        let limit = SETTLED_AT_ONCE + self.quarantine.len();
        let mut unsettled = self.published.snapshot().unsettled(now, limit);
        if has_quarantine {
            unsettled.retain(|standing| !self.quarantine.holds(&standing.entry().report.to_key()));
            unsettled.truncate(SETTLED_AT_ONCE);
        }
        !unsettled.is_empty()
            && self.store_apart(&mut unsettled, time).await
            && unsettled.len() == SETTLED_AT_ONCE
    }

    /// Finds out whether the store works, without waiting for an update to fail.
    pub(super) async fn check(&mut self, time: &mut Timekeeper) {
        if !self.published.is_storing() {
            self.can_store(time).await;
        } else if let Err(error) = time.meanwhile(self.store.check()).await {
            self.published.note_storing(Err(&error));
        }
    }

    /// Logs what was published: after the answers, which should not wait for it.
    pub(super) fn write_log(&mut self) {
        for plan in self.unlogged.drain(..) {
            plan.news().iter().for_each(log_line::write);
        }
    }

    /// Stores items: those in quarantine by themselves, all others together, if that is possible.
    /// Returns whether all of the others were stored.
    async fn store_apart<T: Item>(&mut self, items: &mut [T], time: &mut Timekeeper) -> bool {
        let now = time.monotonic();
        if !self.quarantine.has_any(now) {
            return self.store_together(items, time).await;
        }
        items.sort_by_cached_key(|item| {
            let key = item.key();
            (self.quarantine.holds(&key), key)
        });
        let healthy = items.partition_point(|item| !self.quarantine.holds(&item.key()));
        let (healthy, isolated) = items.split_at_mut(healthy);
        let all_stored = healthy.is_empty() || self.store_together(healthy, time).await;
        if !all_stored && !self.published.is_storing() {
            return false;
        }
        for items in isolated.chunk_by_mut(|a, b| a.key() == b.key()) {
            let Some(key) = items.first().map(Item::key) else { continue };
            if self.quarantine.may_try(&key, time.monotonic()) {
                self.store_together(items, time).await;
            }
        }
        all_stored
    }

    /// Stores items in one commit; if their content fails, in smaller and smaller ones. Returns
    /// whether all were stored.
    async fn store_together<T: Item>(&mut self, items: &mut [T], time: &mut Timekeeper) -> bool {
        let (capacity, began) = (self.published.capacity, time.monotonic());
        let (mut has_stored, mut last_error) = (false, None);
        let mut parts = vec![items];
        while let Some(part) = parts.pop() {
            let plan = |snapshot: &Snapshot, now: Now| T::plan(part, snapshot, &capacity, now);
            let error = match self.commit(plan, false, time).await {
                Attempt::Stored(plan) => {
                    T::note(part, &plan);
                    self.unlogged.push(plan);
                    has_stored = true;
                    continue;
                }
                Attempt::Failed => return false,
                Attempt::Unfit(error) => error,
            };
            let now = time.monotonic();
            if now.saturating_sub(began) > TAKING_APART {
                for item in part.iter() {
                    self.quarantine.suspect(item.key(), now);
                }
            } else {
                part.sort_by_cached_key(Item::key);
                match split(part) {
                    Ok((first, second)) => parts.extend([second, first]),
                    Err([]) => {}
                    Err([item, ..]) => self.quarantine.note(item.key(), &error, now),
                }
            }
            last_error = Some(error);
        }
        let Some(error) = last_error else { return true };
        if !has_stored && !self.can_store(time).await {
            self.published.note_storing(Err(&error));
        }
        let now = time.monotonic();
        self.quarantine.rest(now, now.saturating_sub(began));
        false
    }

    /// Whether a commit without any content succeeds.
    async fn can_store(&mut self, time: &mut Timekeeper) -> bool {
        matches!(self.commit(|_, _| Plan::default(), true, time).await, Attempt::Stored(_))
    }

    /// Commits and publishes what `plan` makes of the published snapshot; if others have committed
    /// first, of the one after that. An empty plan is stored already, unless `even_if_empty`.
    async fn commit(
        &mut self,
        plan: impl Fn(&Snapshot, Now) -> Plan,
        even_if_empty: bool,
        time: &mut Timekeeper,
    ) -> Attempt {
        for _ in 0..ATTEMPTS {
            if let Err(error) = self.end_doubt(time).await {
                self.published.note_storing(Err(&error));
                return Attempt::Failed;
            }
            let now = time.now();
            let snapshot = self.published.snapshot();
            let (plan, expected) = (plan(&snapshot, now), snapshot.revision());
            // While this handle exists the snapshot cannot be changed in place.
            drop(snapshot);
            if plan.is_empty() && !even_if_empty {
                return Attempt::Stored(plan);
            }
            match self.try_commit(expected, &plan, time).await {
                Ok(()) => return Attempt::Stored(plan),
                Err(Failure::Overtaken) => {}
                Err(Failure::Unfit(error)) => return Attempt::Unfit(error),
                Err(Failure::Broken(error)) => {
                    self.published.note_storing(Err(&error));
                    return Attempt::Failed;
                }
            }
        }
        log::warn!(
            "Updates were not stored: others have committed first {ATTEMPTS} times in a row"
        );
        Attempt::Failed
    }

    /// Commits and publishes a plan for the revision that is published.
    async fn try_commit(
        &mut self,
        expected: Revision,
        plan: &Plan,
        time: &mut Timekeeper,
    ) -> Result<(), Failure> {
        let (id, jumps, began) = (self.ids.next(), time.jumps(), time.monotonic());
        let outcome = time.meanwhile(self.store.commit(expected, id, plan)).await;
        let took = time.monotonic().saturating_sub(began);
        let made = match outcome {
            Ok(committed) => Ok(committed),
            Err(CommitError::Conflict(missed)) => {
                self.adopt(missed, time);
                return Err(Failure::Overtaken);
            }
            Err(CommitError::Diverged) => {
                self.is_in_doubt = self.reload(time).await.is_err();
                return Err(Failure::Overtaken);
            }
            Err(CommitError::Content(error)) => Err(Failure::Unfit(error)),
            Err(CommitError::NoSpace(error)) => Err(Failure::Broken(error)),
            Err(CommitError::Unknown(error)) => {
                self.outcome(expected, id, time).await.ok_or(Failure::Broken(error))
            }
        };
        self.metrics.note(plan, made.is_ok(), took);
        self.publish(plan, made?, jumps, time);
        Ok(())
    }

    /// Publishes a plan that is stored.
    fn publish(&mut self, plan: &Plan, committed: Committed, jumps: u32, time: &mut Timekeeper) {
        self.published.note_storing(Ok(()));
        let Committed { revision, missed } = committed;
        let now = time.now();
        let has_jumped = time.jumps() != jumps;
        self.published.change(|snapshot| {
            for changes in missed {
                snapshot.adopt(changes, now);
            }
            snapshot.accept(plan, revision);
            if has_jumped {
                snapshot.reschedule(now);
            } else {
                snapshot.advance(now);
            }
        });
    }

    /// Asks what became of a commit, and follows it. Returns it if it was made.
    async fn outcome(
        &mut self,
        since: Revision,
        id: CommitId,
        time: &mut Timekeeper,
    ) -> Option<Committed> {
        match time.meanwhile(self.store.outcome(since, id)).await {
            Ok(CommitOutcome::Made(committed)) => return Some(committed),
            Ok(CommitOutcome::NotMade { missed }) => self.adopt(missed, time),
            Ok(CommitOutcome::Reload) => self.is_in_doubt = self.reload(time).await.is_err(),
            Err(_) => self.is_in_doubt = true,
        }
        None
    }

    /// Publishes what others have committed.
    fn adopt(&self, missed: Vec<Changes>, time: &mut Timekeeper) {
        if missed.is_empty() {
            return;
        }
        let now = time.now();
        self.published.change(|snapshot| {
            for changes in missed {
                snapshot.adopt(changes, now);
            }
        });
    }

    /// Publishes what the store has and the published snapshot may lack, if there may be anything.
    async fn end_doubt(&mut self, time: &mut Timekeeper) -> Result<(), StoreError> {
        if self.is_in_doubt {
            self.catch_up(time).await?;
            self.is_in_doubt = false;
        }
        Ok(())
    }

    async fn catch_up(&self, time: &mut Timekeeper) -> Result<(), StoreError> {
        let revision = self.published.snapshot().revision();
        match time.meanwhile(self.store.changes_since(revision)).await? {
            Some(changes) if changes.revision == revision => {}
            Some(changes) => {
                let now = time.now();
                self.published.change_copy(|snapshot| snapshot.adopt(changes, now));
            }
            None => self.reload(time).await?,
        }
        Ok(())
    }

    /// Publishes all that the store has, in place of the published snapshot.
    async fn reload(&self, time: &mut Timekeeper) -> Result<(), StoreError> {
        let Loaded { store_id: _, revision, entries } = time.meanwhile(self.store.load()).await?;
        let (now, policy) = (time.now(), *self.published.snapshot().policy());
        self.published.replace(Snapshot::load(policy, revision, entries, now));
        Ok(())
    }
}

/// Makes identifiers of commits that no other process makes.
struct CommitIds {
    run: u64,
    last: u64,
}

impl CommitIds {
    fn new() -> Self {
        // Hashing nothing with a random key gives a random number.
        Self { run: RandomState::new().build_hasher().finish(), last: 0 }
    }

    fn next(&mut self) -> CommitId {
        self.last += 1;
        CommitId(u128::from(self.run) << 64 | u128::from(self.last))
    }
}

#[cfg(test)]
mod tests;
