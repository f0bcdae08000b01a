//! The copies of the database that are made by themselves.

use std::time::Duration;

use super::text::Text;
use crate::domain::Timestamp;

/// What is known of the copies.
#[derive(Clone, Debug)]
pub struct BackupState {
    every: Duration,
    /// When the newest copy was made, and its size.
    newest: Option<(Timestamp, u64)>,
    failures: u64,
    has_failed: bool,
}

impl BackupState {
    /// Knows of no copy; one is to be made every now and then.
    #[must_use]
    pub fn new(every: Duration) -> Self {
        Self { every, newest: None, failures: 0, has_failed: false }
    }

    /// Notes the newest copy and its size.
    pub fn note_success(&mut self, at: Timestamp, bytes: u64) {
        (self.newest, self.has_failed) = (Some((at, bytes)), false);
    }

    /// Notes that a copy could not be made.
    pub fn note_failure(&mut self) {
        self.failures = self.failures.saturating_add(1);
        self.has_failed = true;
    }

    /// Whether the last copy could not be made.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.has_failed
    }

    pub(super) fn write(&self, text: &mut Text) {
        let (at, bytes) = self.newest.unwrap_or_default();
        text.gauge(
            "gitops_status_backup_interval_seconds",
            "The time from one backup to the next, by backup_every",
            self.every.as_secs_f64(),
        );
        text.gauge(
            "gitops_status_backup_last_success_timestamp_seconds",
            "When the newest backup in backup_dir was made, in seconds since 1970; 0 without one",
            at.millis().div_euclid(1000),
        );
        text.gauge(
            "gitops_status_backup_last_success_bytes",
            "Size of the newest backup in backup_dir",
            bytes,
        );
        text.counter(
            "gitops_status_backup_failures_total",
            "Backups for backup_dir that could not be made",
            self.failures,
        );
    }
}
