//! The pruner: every hour it finds transitions that the history need not keep, a few at a time.
//!
//! It searches beside the writer. The writer deletes what was found, between two batches.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::errands::{Awaited, Errands};
use super::shared::Shared;
use super::timekeeper::Timekeeper;
use crate::domain::{Now, Prunable, PruneRule, Retention, TransitionId};
use crate::store::{Archive, StoreError};

/// The time from one round of searches to the next.
const PERIOD: Duration = Duration::from_hours(1);

/// Finds and deletes transitions that the history need not keep.
pub(super) struct Pruner {
    shared: Shared,
    errands: Errands,
    archive: Arc<dyn Archive>,
    retention: Retention,
    /// When the next round begins, by the monotonic clock.
    due: Duration,
    /// The rest of this round.
    searches: VecDeque<PruneRule>,
    /// The search under way.
    search: Option<Awaited<Result<Prunable, StoreError>>>,
}

impl Pruner {
    pub(super) fn new(
        shared: Shared,
        errands: Errands,
        archive: Arc<dyn Archive>,
        retention: Retention,
    ) -> Self {
        let (due, searches) = (Duration::ZERO, VecDeque::new());
        Self { shared, errands, archive, retention, due, searches, search: None }
    }

    /// Begins a round if it is due, if this replica is the one that prunes, and if the wall clock has
    /// run steadily for long enough to be believed: it decides what is old.
    pub(super) fn begin_if_due(&mut self, now: Now, monotonic: Duration) {
        let is_idle = self.search.is_none() && self.searches.is_empty();
        let may_prune = self.shared.replicas.may_settle();
        if is_idle && may_prune && monotonic >= self.due && now.has_settled() {
            self.due = monotonic.saturating_add(PERIOD);
            self.searches = self.retention.rules(now.at).into();
        }
    }

    /// Gives up this round.
    fn give_up(&mut self) {
        self.searches.clear();
    }

    /// Waits until a search has found something, however long that takes. The next search begins
    /// with the next call: what was found has to be deleted before.
    ///
    /// Dropping the future loses nothing.
    pub(super) async fn find(&mut self) -> Vec<TransitionId> {
        loop {
            let Some(search) = &mut self.search else {
                match self.searches.pop_front() {
                    Some(next) => self.begin(next),
                    None => std::future::pending().await,
                }
                continue;
            };
            let outcome = search.await.unwrap_or(Err(StoreError::Closed));
            self.search = None;
            match outcome {
                Ok(Prunable { found, next }) => {
                    if let Some(next) = next {
                        self.searches.push_front(next);
                    }
                    if !found.is_empty() {
                        return found;
                    }
                }
                Err(error) => {
                    log::warn!("Could not search the history for old rows: {error}");
                    self.give_up();
                }
            }
        }
    }

    /// Deletes what was found, if the clock can still be believed, and this replica still leads.
    pub(super) async fn delete(&mut self, found: &[TransitionId], time: &mut Timekeeper) {
        let Shared { published, store, replicas } = &self.shared;
        let is_clock_believed = time.now().has_settled();
        if !is_clock_believed || !published.is_storing() || !replicas.may_settle() {
            self.give_up();
        } else if let Err(error) = time.meanwhile(store.prune(found)).await {
            log::warn!("The history could not be pruned, which is tried again later: {error}");
            self.give_up();
        }
    }

    fn begin(&mut self, search: PruneRule) {
        let archive = Arc::clone(&self.archive);
        self.search = Some(self.errands.begin(async move { archive.prunable(search).await }));
    }
}
