//! Commits to the store, counted by the writer.

use std::time::Duration;

use super::instruments::{Breakdown, Counter, Histogram};
use super::text::Text;
use crate::domain::{Event, Facts, Plan};

/// The largest bound for the entries of a commit, as a power of two: it has at most 1024 updates.
const ENTRIES_LOG2: u32 = 10;

/// Counts commits; clones are the same counters.
#[derive(Clone, Debug)]
pub struct Commits {
    outcomes: Breakdown,
    entries: Histogram,
    seconds: Histogram,
    expired: Counter,
    expired_while_drifted: Counter,
}

impl Commits {
    pub(super) fn new() -> Self {
        Self {
            outcomes: Breakdown::new(&["stored", "failed"]),
            entries: Histogram::new((0..=ENTRIES_LOG2).map(|power| f64::from(1 << power))),
            seconds: Histogram::of_seconds(),
            expired: Counter::default(),
            expired_while_drifted: Counter::default(),
        }
    }

    /// Counts a commit that has ended.
    pub fn note(&self, plan: &Plan, is_stored: bool, took: Duration) {
        self.seconds.observe(took.as_secs_f64());
        if !is_stored {
            self.outcomes.note("failed");
            return;
        }
        self.outcomes.note("stored");
        let entries = u32::try_from(plan.rows().count()).unwrap_or(u32::MAX);
        self.entries.observe(f64::from(entries));
        for end in plan.transitions().iter().filter(|end| end.event == Event::Expired) {
            self.expired.add(1);
            self.expired_while_drifted.add(end.is_drifted().into());
        }
    }

    pub(super) fn write(&self, text: &mut Text) {
        let Self { outcomes, entries, seconds, expired, expired_while_drifted } = self;
        text.breakdown("gitops_status_commits_total", "Commits, by outcome", "outcome", outcomes);
        text.histograms(
            "gitops_status_commit_entries",
            "Entries that a commit changed",
            [("", entries)],
        );
        text.histograms(
            "gitops_status_commit_duration_seconds",
            "Time that a commit took, with its sync of the disk",
            [("", seconds)],
        );
        text.counter(
            "gitops_status_expired_total",
            "Entries that expired because no report came for their time to live",
            expired.get(),
        );
        text.counter(
            "gitops_status_expired_while_drifted_total",
            "Entries that expired while drifted",
            expired_while_drifted.get(),
        );
    }
}
