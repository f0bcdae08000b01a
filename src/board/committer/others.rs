//! What others have committed, and what became of a commit that nobody has confirmed.

use std::sync::Arc;

use super::Committer;
use crate::board::follower::Found;
use crate::board::timekeeper::Timekeeper;
use crate::domain::{Changes, CommitId, Head, Snapshot};
use crate::store::{CommitOutcome, Committed, Loaded, StoreError};

/// How many changes are adopted in the published snapshot itself, which delays those that read it.
const ADOPTED_IN_PLACE: usize = 1024;

impl Committer {
    /// Publishes what the follower has found.
    pub(in crate::board) async fn follow(&mut self, found: Found, time: &mut Timekeeper) {
        let Found { since, changes } = found;
        if since != self.shared.published.head() {
            // A commit has brought what others had committed before it. After a failover the rest may
            // be of a history that was lost, and is found again if not.
            return;
        }
        if let Some(changes) = changes {
            self.adopt(vec![changes], time);
        } else if let Err(error) = self.reload(time).await {
            self.shared.replicas.note_following(Err(&error));
        }
    }

    /// Asks what became of a commit, and follows it. Returns it if it was made. If it was not, there is
    /// no doubt about it afterwards.
    pub(super) async fn outcome(
        &mut self,
        since: Head,
        id: CommitId,
        time: &mut Timekeeper,
    ) -> Option<Committed> {
        match time.meanwhile(self.shared.store.outcome(since, id)).await {
            Ok(CommitOutcome::Made(committed)) => return Some(committed),
            Ok(CommitOutcome::NotMade { missed }) => self.adopt(missed, time),
            Ok(CommitOutcome::Reload) | Err(_) => self.is_in_doubt = true,
        }
        None
    }

    /// Publishes what others have committed.
    pub(super) fn adopt(&self, missed: Vec<Changes>, time: &mut Timekeeper) {
        if missed.is_empty() {
            return;
        }
        let now = time.now();
        let count =
            |changes: &Changes| changes.put.len() + changes.seen.len() + changes.removed.len();
        let is_short = missed.iter().map(count).sum::<usize>() <= ADOPTED_IN_PLACE;
        let adopt = |snapshot: &mut Snapshot| {
            for changes in missed {
                snapshot.adopt(changes, now);
            }
        };
        if is_short {
            self.shared.published.change(adopt);
        } else {
            self.shared.published.change_copy(adopt);
        }
    }

    /// Publishes what the store has and the published snapshot may lack, if there may be anything. Where
    /// there are others, a commit does so.
    pub(super) async fn end_doubt(&mut self, time: &mut Timekeeper) -> Result<(), StoreError> {
        if self.is_in_doubt && !self.has_others() {
            self.catch_up(time).await?;
            self.is_in_doubt = false;
        }
        Ok(())
    }

    async fn catch_up(&self, time: &mut Timekeeper) -> Result<(), StoreError> {
        let since = self.shared.published.head();
        match time.meanwhile(self.shared.store.changes_since(since)).await? {
            Some(changes) if changes.head == since => {}
            Some(changes) => self.adopt(vec![changes], time),
            None => self.reload(time).await?,
        }
        Ok(())
    }

    /// Publishes all that the store has, in place of the published snapshot.
    pub(super) async fn reload(&self, time: &mut Timekeeper) -> Result<(), StoreError> {
        let loaded = time.meanwhile(self.shared.store.load()).await?;
        // Nothing is restored or imported while a replica runs.
        let Loaded { store_id: _, head, entries, outages: _, restored_at: _ } = loaded;
        let (now, policy) = (time.now(), Arc::clone(self.shared.published.snapshot().policy()));
        self.shared.published.replace(Snapshot::load(policy, head, entries, now));
        Ok(())
    }
}
