//! The fleet's past, stored before the server starts.

use std::time::Duration;

use thiserror::Error;
use tokio_util::sync::CancellationToken;

use super::fleet::{BIRTH, Fleet};
use super::pace::{MINUTE, Pace};
use crate::domain::{Action, CommitId, Now, Plan, Policy, Snapshot, Timestamp};
use crate::store::{CommitError, Store, StoreError};

/// How much of the fleet's time goes into one commit.
const STEP: i64 = 5 * MINUTE;

/// Why the past was not stored.
#[derive(Debug, Error)]
pub enum PastError {
    /// The store cannot be read.
    #[error(transparent)]
    Load(#[from] StoreError),
    /// A commit failed.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// Stores what happened from the fleet's birth to the start of its pace, or to `stop`, in an empty
/// store: each report at the time at which it would have come.
///
/// # Errors
/// See [`PastError`].
pub async fn live_past(
    fleet: &Fleet,
    pace: &Pace,
    policy: Policy,
    store: &dyn Store,
    stop: &CancellationToken,
) -> Result<(), PastError> {
    let loaded = store.load().await?;
    let now = |at| believed(pace.clock_at(at));
    let mut snapshot = Snapshot::load(policy, loaded.head, loaded.entries, now(BIRTH));
    let mut from = BIRTH;
    while from < 0 && !stop.is_cancelled() {
        let until = (from + STEP).min(0);
        let mut plan = Plan::default();
        for act in fleet.acts(from, until, pace) {
            match act.action {
                Action::Report(report) => {
                    plan.apply(&snapshot, report, believed(act.at));
                }
                Action::Remove(key) => {
                    plan.remove(&snapshot, key.borrow(), believed(act.at));
                }
            }
        }
        store_plan(store, &mut snapshot, &plan).await?;
        note_silence(store, &mut snapshot, now(until)).await?;
        from = until;
    }
    Ok(())
}

/// Stores which entries have turned stale.
async fn note_silence(
    store: &dyn Store,
    snapshot: &mut Snapshot,
    now: Now,
) -> Result<(), CommitError> {
    while snapshot.has_deadlines_due(now) {
        snapshot.advance(now);
    }
    let unsettled = snapshot.unsettled(now, usize::MAX);
    let plan = Plan::settling(snapshot, unsettled.iter().map(|of| of.entry().key()), now);
    store_plan(store, snapshot, &plan).await
}

async fn store_plan(
    store: &dyn Store,
    snapshot: &mut Snapshot,
    plan: &Plan,
) -> Result<(), CommitError> {
    if plan.is_empty() {
        return Ok(());
    }
    let committed = store.commit(snapshot.head(), CommitId::random(), plan).await?;
    snapshot.accept(plan, committed.head);
    Ok(())
}

/// The clock of the past has never been set.
fn believed(at: Timestamp) -> Now {
    Now { at, steady_for: Duration::MAX }
}
