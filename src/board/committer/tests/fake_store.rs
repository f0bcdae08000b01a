//! A store in memory that fails as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use super::{now, report};
use crate::clock::ManualClock;
use crate::domain::{Changes, CommitId, Entry, Head, Plan, Snapshot, TransitionId};
use crate::store::{CommitError, CommitOutcome, Committed, Examination, Loaded, Store, StoreError};

/// What happens to a commit.
pub(super) enum Fate {
    /// Others have reported these servers first.
    Overtaken(&'static [&'static str]),
    /// Others have reported these servers first, which does not keep it from being made.
    Followed(Vec<String>),
    /// Others have reported these servers first, and nothing else is known of it.
    Diverged(&'static [&'static str]),
    /// The connection is lost after it was made, or before.
    Lost {
        is_made: bool,
    },
    NoSpace,
    Corrupt,
}

/// A store in memory.
pub(super) struct FakeStore(pub(super) Mutex<Truth>);

pub(super) struct Truth {
    pub(super) snapshot: Snapshot,
    pub(super) fates: VecDeque<Fate>,
    /// Whether it is on a server, where others write too.
    pub(super) is_shared: bool,
    pub(super) commits: usize,
    pub(super) last: Option<CommitId>,
    /// The servers of all transitions, in order.
    pub(super) told: Vec<String>,
    /// Whether the content of a plan cannot be stored.
    pub(super) fails: fn(&Plan) -> bool,
    /// How long such a failure takes.
    pub(super) failure: Duration,
    pub(super) clock: ManualClock,
}

/// Whether a plan has the entry of a server whose name begins with `poison`.
pub(super) fn is_poisoned(plan: &Plan) -> bool {
    plan.rows().any(|row| row.entry().report.server.as_str().starts_with("poison"))
}

impl Truth {
    fn report_by_others(&mut self, servers: &[impl AsRef<str>]) -> Changes {
        let reports = servers.iter().map(|server| report(server.as_ref()));
        let put = reports.map(|report| Arc::new(Entry::first(report, now().at).0)).collect();
        let head = self.snapshot.head().next();
        let changes = Changes { head, put, ..Changes::default() };
        self.snapshot.adopt(changes.clone(), now());
        changes
    }

    fn accept(&mut self, id: CommitId, plan: &Plan) -> Committed {
        let head = self.snapshot.head().next();
        self.snapshot.accept(plan, head);
        self.last = Some(id);
        let told = plan.transitions().iter().map(|told| told.server.as_str().to_owned());
        self.told.extend(told);
        Committed { head, missed: Vec::new() }
    }
}

#[async_trait]
impl Store for FakeStore {
    async fn load(&self) -> Result<Loaded, StoreError> {
        let truth = self.0.lock().unwrap();
        let standings = truth.snapshot.segments().iter().flat_map(|segment| segment.standings());
        let entries = standings.map(|standing| Arc::clone(standing.entry())).collect();
        let head = truth.snapshot.head();
        let (store_id, outages) = (String::new(), Vec::new());
        Ok(Loaded { store_id, head, entries, outages, restored_at: None })
    }

    async fn commit(
        &self,
        expected: Head,
        id: CommitId,
        plan: &Plan,
    ) -> Result<Committed, CommitError> {
        let mut truth = self.0.lock().unwrap();
        truth.commits += 1;
        assert_eq!(expected, truth.snapshot.head());
        if (truth.fails)(plan) {
            truth.clock.advance(truth.failure);
            return Err(CommitError::Content(StoreError::Closed));
        }
        match truth.fates.pop_front() {
            None => Ok(truth.accept(id, plan)),
            Some(Fate::Followed(servers)) => {
                let missed = vec![truth.report_by_others(&servers)];
                Ok(Committed { missed, ..truth.accept(id, plan) })
            }
            Some(Fate::Overtaken(servers)) => {
                Err(CommitError::Conflict(vec![truth.report_by_others(servers)]))
            }
            Some(Fate::Diverged(servers)) => {
                truth.report_by_others(servers);
                Err(CommitError::Diverged)
            }
            Some(Fate::Lost { is_made }) => {
                if is_made {
                    truth.accept(id, plan);
                }
                Err(CommitError::Unknown(StoreError::Closed))
            }
            Some(Fate::NoSpace) => Err(CommitError::NoSpace(StoreError::Closed)),
            Some(Fate::Corrupt) => Err(CommitError::Content(StoreError::Closed)),
        }
    }

    async fn outcome(&self, since: Head, id: CommitId) -> Result<CommitOutcome, StoreError> {
        let is_made = self.0.lock().unwrap().last == Some(id);
        let made = Committed { head: since.next(), missed: Vec::new() };
        Ok(if is_made {
            CommitOutcome::Made(made)
        } else {
            CommitOutcome::NotMade { missed: Vec::new() }
        })
    }

    async fn changes_since(&self, _: Head) -> Result<Option<Changes>, StoreError> {
        Ok(None)
    }

    fn poll_every(&self) -> Option<Duration> {
        self.0.lock().unwrap().is_shared.then_some(Duration::from_millis(100))
    }

    async fn prune(&self, _: &[TransitionId]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn examine(&self) -> Result<Box<dyn Examination>, StoreError> {
        Err(StoreError::Closed)
    }

    async fn close(&self) {}
}
