//! What is committed to the store, counted by the one who does it.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::total::Total;
use crate::domain::{Event, Plan};

/// Bounds for the time of a commit: from memory that pretends to be a disk to a disk that hangs.
const SECONDS: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// Bounds for the entries of a commit; the writer takes 1024 commands at once.
const ENTRIES: [f64; 11] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct OutcomeLabels {
    outcome: &'static str,
}

/// Counts commits; clones count into the same counters.
#[derive(Clone, Debug)]
pub struct Commits {
    stored: Total,
    failed: Total,
    entries: Histogram,
    seconds: Histogram,
    expired: Total,
}

impl Commits {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let outcomes = Family::<OutcomeLabels, Total>::default();
        let outcome = |outcome| outcomes.get_or_create_owned(&OutcomeLabels { outcome });
        let commits = Self {
            stored: outcome("stored"),
            failed: outcome("failed"),
            entries: Histogram::new(ENTRIES),
            seconds: Histogram::new(SECONDS),
            expired: Total::default(),
        };
        registry.register(
            "gitops_status_commits_total",
            "Batches of changes that were handed to the database, by what became of them",
            outcomes,
        );
        registry.register(
            "gitops_status_commit_entries",
            "Entries that a commit changed",
            commits.entries.clone(),
        );
        registry.register(
            "gitops_status_commit_duration_seconds",
            "Time that a commit took, with its sync of the disk",
            commits.seconds.clone(),
        );
        registry.register(
            "gitops_status_expired_total",
            "Entries that left because nothing was heard of them for their time to live",
            commits.expired.clone(),
        );
        commits
    }

    /// Counts a commit that has ended.
    pub fn note(&self, plan: &Plan, is_stored: bool, took: Duration) {
        self.seconds.observe(took.as_secs_f64());
        if !is_stored {
            self.failed.add(1);
            return;
        }
        self.stored.add(1);
        let entries = u32::try_from(plan.rows().count()).unwrap_or(u32::MAX);
        self.entries.observe(f64::from(entries));
        let ends = plan.transitions().iter().filter(|end| end.event == Event::Expired);
        self.expired.add(ends.count() as u64);
    }
}
