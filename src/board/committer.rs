//! The committer: plans requests, commits the plans and publishes them.
//!
//! Nobody else knows that a commit's outcome can be unknown, that others can commit first, or that a
//! single entry can make a commit fail. See `docs/decisions/0018-one-way-in.md`.

mod others;

use std::fmt::Display;

use super::answer::{Answer, Refusal};
use super::item::{Asked, Item, middle};
use super::log_line;
use super::quarantine::{Quarantine, Suspicion};
use super::shared::Shared;
use super::timekeeper::Timekeeper;
use crate::domain::{CommitId, Head, Now, Plan, Request, RowChange, Snapshot, Standing};
use crate::metrics::Commits;
use crate::store::{CommitError, Committed, StoreError};

/// How many entries are settled in one commit: few enough not to hold up an update for longer than
/// a commit takes.
const SETTLED_AT_ONCE: usize = 32;
/// How often the same requests are planned again because others have committed first.
const ATTEMPTS: usize = 64;
/// How often they are planned again because a connection was lost before they were stored.
const LOSSES: usize = 2;
/// How often the store is loaded anew meanwhile, which takes long.
const RELOADS: usize = 2;

/// Makes commits, and publishes them.
pub(super) struct Committer {
    shared: Shared,
    metrics: Commits,
    quarantine: Quarantine,
    /// Whether the published snapshot may lack a commit.
    is_in_doubt: bool,
    /// Published plans that are not in the log yet.
    unlogged: Vec<Plan>,
}

/// Why items were not stored.
enum Failure {
    /// Their content cannot be stored; other content may.
    Content(StoreError),
    /// Nothing can be stored at present.
    Unavailable,
}

impl Committer {
    pub(super) fn new(shared: Shared, metrics: Commits) -> Self {
        Self {
            shared,
            metrics,
            quarantine: Quarantine::default(),
            is_in_doubt: false,
            unlogged: Vec::new(),
        }
    }

    /// Stores a batch of requests in one commit. Returns their answers, in order: none for requests
    /// that [`Self::store_apart`] has to store.
    pub(super) async fn store(
        &mut self,
        requests: &[&Request],
        time: &mut Timekeeper,
    ) -> Vec<Option<Answer>> {
        let mut asked = Asked::all(requests);
        let has_quarantine = self.quarantine.has_any(time.monotonic());
        let is_healthy = |asked: &&mut Asked<'_>| {
            !has_quarantine || self.quarantine.of(&asked.key()) == Suspicion::None
        };
        let healthy = asked.iter_mut().filter(is_healthy).collect();
        if let Err(Failure::Unavailable) = self.store_together(healthy, time).await {
            self.refuse(&mut asked, time).await;
        }
        asked.into_iter().map(|asked| asked.answer).collect()
    }

    /// Stores requests that could not be stored together with others. Returns their answers, in
    /// order.
    pub(super) async fn store_apart(
        &mut self,
        requests: &[&Request],
        time: &mut Timekeeper,
    ) -> Vec<Option<Answer>> {
        let mut asked = Asked::all(requests);
        self.take_apart(&mut asked, time).await;
        self.refuse(&mut asked, time).await;
        asked.into_iter().map(|asked| asked.answer).collect()
    }

    /// Stores what the clock has done to some entries, if this replica is the one that does so. Returns
    /// whether there may be more of them.
    pub(super) async fn settle(&mut self, time: &mut Timekeeper) -> bool {
        let (now, has_quarantine) = (time.now(), self.quarantine.has_any(time.monotonic()));
        if !self.shared.published.is_storing() || !self.shared.replicas.may_settle() {
            return false;
        }
        let limit = SETTLED_AT_ONCE + self.quarantine.len();
        let mut unsettled = self.shared.published.snapshot().unsettled(now, limit);
        let mut healthy = unsettled.len();
        if has_quarantine {
            // Those that have failed alone have time.
            unsettled.retain(|standing| self.quarantine.of(&standing.key()) != Suspicion::Proven);
            unsettled.sort_by_cached_key(|standing| self.quarantine.of(&standing.key()));
            unsettled.truncate(SETTLED_AT_ONCE);
            let is_healthy = |of: &Standing| self.quarantine.of(&of.key()) == Suspicion::None;
            healthy = unsettled.partition_point(is_healthy);
        }
        if unsettled.is_empty() {
            return false;
        }
        let items = unsettled.iter_mut().take(healthy).collect();
        let mut rest = match self.store_together(items, time).await {
            Ok(()) => unsettled.split_off(healthy),
            Err(Failure::Content(_)) => unsettled,
            Err(Failure::Unavailable) => return false,
        };
        self.take_apart(&mut rest, time).await;
        rest.is_empty() && healthy == SETTLED_AT_ONCE
    }

    /// Finds out whether the store works, without waiting for an update to fail.
    pub(super) async fn check(&mut self, time: &mut Timekeeper) {
        if !self.shared.published.is_storing() {
            self.can_store(time).await;
        } else if let Err(error) = time.meanwhile(self.shared.store.check()).await {
            self.shared.published.note_storing(Err(&error));
        }
    }

    /// Logs what was published: after the answers, which should not wait for it.
    pub(super) fn write_log(&mut self) {
        for plan in self.unlogged.drain(..) {
            plan.news().iter().for_each(log_line::write);
        }
    }

    /// Answers the requests that were not stored.
    async fn refuse(&mut self, asked: &mut [Asked<'_>], time: &mut Timekeeper) {
        let (capacity, now) = (self.shared.published.capacity, time.now());
        let refusal = |asked: &Asked<'_>, snapshot: &Snapshot| match asked.answer {
            Some(_) => None,
            None => asked.refused(snapshot, &capacity, now),
        };
        let snapshot = self.shared.published.snapshot();
        let asks_others =
            self.has_others() && asked.iter().any(|asked| refusal(asked, &snapshot).is_some());
        drop(snapshot);
        // In doubt, the request may have done what the domain would refuse to do again.
        let may_refuse = !self.is_in_doubt
            && (!asks_others || self.shared.published.is_storing() && self.can_store(time).await);
        let snapshot = self.shared.published.snapshot();
        for asked in asked.iter_mut().filter(|asked| asked.answer.is_none()) {
            let refused = if may_refuse { refusal(asked, &snapshot) } else { None };
            asked.answer = Some(Err(refused.map_or(Refusal::NotStored, Refusal::Refused)));
        }
    }

    /// Stores items in one commit. If their content fails but others may be stored, stores those
    /// that have other times only, and leaves the rest.
    async fn store_together<T: Item>(
        &mut self,
        mut items: Vec<&mut T>,
        time: &mut Timekeeper,
    ) -> Result<(), Failure> {
        let outcome = self.store_at_once(&mut items, time).await;
        if let Err(Failure::Content(error)) = &outcome {
            let (snapshot, now) = (self.shared.published.snapshot(), time.now());
            let plan = T::plan(&items, &snapshot, &self.shared.published.capacity, now);
            drop(snapshot);
            items.retain(|item| matches!(plan.row(item.key().borrow()), Some(RowChange::Seen(_))));
            let seen = self.store_at_once(&mut items, time).await;
            if matches!(seen, Err(Failure::Unavailable)) {
                return Err(Failure::Unavailable);
            }
            let has_stored = !items.is_empty() && seen.is_ok();
            if !has_stored && !self.can_store(time).await {
                self.shared.published.note_storing(Err(error));
                return Err(Failure::Unavailable);
            }
        }
        outcome
    }

    /// Stores items that cannot be stored together: those that have just failed in smaller and
    /// smaller commits, then those in quarantine pair by pair. Items for which there is no time stay
    /// as they are.
    async fn take_apart<T: Item>(&mut self, items: &mut [T], time: &mut Timekeeper) {
        let mut items: Vec<&mut T> = items.iter_mut().collect();
        items.sort_by_cached_key(|item| (self.quarantine.of(&item.key()), item.key()));
        let belong_together = |a: &&mut T, b: &&mut T| {
            let (a, b) = (a.key(), b.key());
            a == b || self.quarantine.of(&a).max(self.quarantine.of(&b)) == Suspicion::None
        };
        let mut parts: Vec<_> = items.chunk_by_mut(belong_together).rev().collect();
        let mut has_stored = false;
        while let Some(part) = parts.pop() {
            let began = time.monotonic();
            if !part.iter().all(|item| self.quarantine.may_try(&item.key(), began)) {
                for item in part {
                    self.quarantine.put_off(item.key(), began);
                }
                continue;
            }
            match self.store_at_once(part, time).await {
                Ok(()) => {
                    let plan = self.unlogged.last();
                    has_stored |= plan.is_some_and(|plan| !plan.is_empty());
                    for key in part.iter().map(|item| item.key()) {
                        let row = plan.and_then(|plan| plan.row(key.borrow()));
                        if let Some(RowChange::Put(_) | RowChange::Removed(_)) = row {
                            self.quarantine.release(&key);
                        }
                    }
                }
                Err(Failure::Content(error)) => {
                    if let Some(middle) = middle(part) {
                        let (first, second) = part.split_at_mut(middle);
                        parts.extend([second, first]);
                    } else if !has_stored && !self.can_store(time).await {
                        self.shared.published.note_storing(Err(&error));
                        return;
                    } else if let Some(item) = part.first() {
                        self.quarantine.note(item.key(), &error, time.monotonic());
                    }
                }
                Err(Failure::Unavailable) => return,
            }
            self.quarantine.spend(began, time.monotonic());
        }
    }

    /// Stores items in one commit, whose plan is then the last one that is not in the log.
    async fn store_at_once<T: Item>(
        &mut self,
        items: &mut [&mut T],
        time: &mut Timekeeper,
    ) -> Result<(), Failure> {
        let capacity = self.shared.published.capacity;
        let plan = |snapshot: &Snapshot, now: Now| T::plan(items, snapshot, &capacity, now);
        let plan = self.commit(plan, false, time).await?;
        T::note(items, &plan);
        self.unlogged.push(plan);
        Ok(())
    }

    /// Whether a commit without any content succeeds.
    async fn can_store(&mut self, time: &mut Timekeeper) -> bool {
        self.commit(|_, _| Plan::default(), true, time).await.is_ok()
    }

    /// Commits and publishes what `plan` makes of the published snapshot; if others have committed
    /// first, of the one after that. An empty plan is stored already, unless `even_if_empty`.
    async fn commit(
        &mut self,
        plan: impl Fn(&Snapshot, Now) -> Plan,
        even_if_empty: bool,
        time: &mut Timekeeper,
    ) -> Result<Plan, Failure> {
        let (mut reloads, mut losses, mut has_asked) = (0, 0, false);
        for _ in 0..ATTEMPTS {
            if let Err(error) = self.end_doubt(time).await {
                return Err(self.unavailable(&error));
            }
            let has_others = self.has_others();
            let now = time.now();
            let snapshot = self.shared.published.snapshot();
            let (plan, expected) = (plan(&snapshot, now), snapshot.head());
            // While this handle exists the snapshot cannot be changed in place.
            drop(snapshot);
            // Others may have stored the entry that is missing here, or made room. A commit of nothing
            // brings what they have done, and its confirmation proves that it lasts.
            let asks = has_others && (self.is_in_doubt || plan.refuses() && !has_asked);
            if !asks && plan.is_empty() && !even_if_empty {
                return Ok(plan);
            }
            let nothing = Plan::default();
            let committed = if asks { &nothing } else { &plan };
            match self.try_commit(expected, committed, time).await {
                Ok(()) if asks => (has_asked, self.is_in_doubt) = (true, false),
                Ok(()) => return Ok(plan),
                Err(CommitError::Conflict(missed)) => self.adopt(missed, time),
                Err(CommitError::Diverged) if reloads < RELOADS => {
                    reloads += 1;
                    self.is_in_doubt = self.reload(time).await.is_err();
                }
                // It was not made, and the store answers again: a server has more than this connection.
                Err(CommitError::Unknown(_)) if losses < LOSSES && self.can_be_tried_again() => {
                    losses += 1;
                }
                Err(CommitError::Content(error)) => return Err(Failure::Content(error)),
                Err(
                    error @ (CommitError::Diverged
                    | CommitError::NoSpace(_)
                    | CommitError::Unknown(_)),
                ) => return Err(self.unavailable(&error)),
            }
        }
        log::warn!(
            "Updates were not stored: others have committed first {ATTEMPTS} times in a row"
        );
        Err(Failure::Unavailable)
    }

    /// Whether a commit that was not confirmed is known not to have been made, by a store on a server.
    fn can_be_tried_again(&self) -> bool {
        !self.is_in_doubt && self.has_others()
    }

    /// Whether other replicas can commit.
    fn has_others(&self) -> bool {
        self.shared.store.poll_every().is_some()
    }

    fn unavailable(&self, error: &dyn Display) -> Failure {
        self.shared.published.note_storing(Err(error));
        Failure::Unavailable
    }

    /// Commits and publishes a plan for the commit that is published.
    async fn try_commit(
        &mut self,
        expected: Head,
        plan: &Plan,
        time: &mut Timekeeper,
    ) -> Result<(), CommitError> {
        let (id, jumps, began) = (CommitId::random(), time.jumps(), time.monotonic());
        let mut outcome = time.meanwhile(self.shared.store.commit(expected, id, plan)).await;
        let took = time.monotonic().saturating_sub(began);
        if let Err(CommitError::Unknown(error)) = outcome {
            let made = self.outcome(expected, id, time).await;
            outcome = made.ok_or(CommitError::Unknown(error));
        }
        if !matches!(outcome, Err(CommitError::Conflict(_) | CommitError::Diverged)) {
            self.metrics.note(plan, outcome.is_ok(), took);
        }
        self.publish(plan, outcome?, jumps, time);
        Ok(())
    }

    /// Publishes a plan that is stored.
    fn publish(&mut self, plan: &Plan, committed: Committed, jumps: u32, time: &mut Timekeeper) {
        self.shared.published.note_storing(Ok(()));
        let Committed { head, missed } = committed;
        self.adopt(missed, time);
        let now = time.now();
        let (has_jumped, started) = (time.jumps() != jumps, time.started_at(now));
        self.shared.published.change(|snapshot| {
            snapshot.accept(plan, head);
            if has_jumped {
                snapshot.reschedule(now, started);
            } else {
                snapshot.advance(now);
            }
        });
    }
}

#[cfg(test)]
mod tests;
