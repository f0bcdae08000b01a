//! Valid updates by outcome, also those that were refused.

use super::Breakdown;
use super::text::Text;

/// Counters of the valid updates.
#[derive(Debug)]
pub struct Updates {
    /// Their outcomes: `stored`, `busy`, `full` or `not_stored`.
    pub outcomes: Breakdown,
    /// Warnings in the answers to stored updates, by the field that they are about.
    pub warnings: Breakdown,
}

impl Updates {
    pub(super) fn new() -> Self {
        Self {
            outcomes: Breakdown::new(&["stored", "busy", "full", "not_stored"]),
            warnings: Breakdown::new(&["files", "revision", "ttl_seconds", "url"]),
        }
    }

    pub(super) fn write(&self, text: &mut Text) {
        text.breakdown(
            "gitops_status_updates_total",
            "Valid updates, by outcome",
            "outcome",
            &self.outcomes,
        );
        text.breakdown(
            "gitops_status_update_warnings_total",
            "Updates that were stored and answered with a warning, by the field that it is about",
            "field",
            &self.warnings,
        );
    }
}
