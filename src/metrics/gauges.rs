//! Gauges that are read at each scrape.

use std::sync::Arc;

use super::text::Text;
use super::{BackupState, ReplicaState};
use crate::domain::{Capacity, Snapshot, Standing, Tally};
use crate::store::{Part, Soundness, Usage};

/// What the gauges of one scrape show.
#[derive(Clone, Debug)]
pub struct Gauges {
    /// The published snapshot.
    pub snapshot: Arc<Snapshot>,
    /// The limits on what is stored.
    pub capacity: Capacity,
    /// The queue of updates.
    pub queue: QueueLoad,
    /// Whether updates can be stored, as far as is known.
    pub is_storing: bool,
    /// How many streams of changes are open.
    pub listeners: usize,
    /// The size of the store, and its free space.
    pub usage: Usage,
    /// Known damage to the store.
    pub soundness: Soundness,
    /// The other replicas, if the store may have some.
    pub replicas: Option<ReplicaState>,
    /// The copies that are made by themselves, if there are to be some.
    pub backups: Option<BackupState>,
}

/// How full the queue of updates is.
#[derive(Clone, Copy, Debug)]
pub struct QueueLoad {
    /// Waiting updates.
    pub depth: usize,
    /// The most updates that may wait.
    pub capacity: usize,
    /// Bytes of the updates that wait or are being committed.
    pub bytes: usize,
    /// The most bytes.
    pub capacity_bytes: usize,
}

impl Gauges {
    pub(super) fn write(&self, text: &mut Text) {
        self.write_entries(text);
        self.write_limits(text);
        self.write_queue(text);
        self.write_sizes(text);
        self.write_soundness(text);
        if let Some(replicas) = &self.replicas {
            replicas.write(text);
        }
        if let Some(backups) = &self.backups {
            backups.write(text);
        }
        text.gauge("gitops_status_event_streams", "Open streams of changes", self.listeners);
    }

    fn write_entries(&self, text: &mut Text) {
        let segments = self.snapshot.segments();
        let standings = segments.iter().flat_map(|segment| segment.standings());
        let tally = Tally::of(standings.filter(|standing: &&Standing| standing.is_listed()));
        text.gauges(
            "gitops_status_entries",
            "Entries by their latest status, stale or not",
            "state",
            [("synced", tally.synced), ("out_of_sync", tally.out_of_sync)],
        );
        text.gauge(
            "gitops_status_drifted_entries",
            "Entries that are out of sync or have files that differ, stale or not",
            tally.drifted,
        );
        text.gauge(
            "gitops_status_stale_entries",
            "Entries whose reporter has fallen silent",
            tally.stale,
        );
        text.gauge(
            "gitops_status_snapshot_bytes",
            "Estimated size of all entries in memory, without answers that are kept ready",
            segments.iter().map(|segment| segment.weight()).sum::<usize>(),
        );
        text.gauge(
            "gitops_status_stored_bytes",
            "Size of all entries that are kept, as in /status.json",
            self.snapshot.row_bytes(),
        );
    }

    #[expect(clippy::cast_precision_loss, reason = "a ratio needs no more digits")]
    fn write_limits(&self, text: &mut Text) {
        let Self { snapshot, capacity: Capacity { entries, bytes }, .. } = self;
        let used = [
            ("max_entries", snapshot.kept() as f64, entries.map(|most| most as f64)),
            ("max_stored_bytes", snapshot.row_bytes() as f64, bytes.map(|most| most as f64)),
        ];
        let ratios = used.into_iter().filter_map(|(limit, used, most)| Some((limit, used / most?)));
        text.gauges(
            "gitops_status_limit_used_ratio",
            "How much of a limit on what is kept is used; at 1 new entries are answered 507, for \
             max_stored_bytes from 0.9 on",
            "limit",
            ratios,
        );
    }

    fn write_queue(&self, text: &mut Text) {
        let QueueLoad { depth, capacity, bytes, capacity_bytes } = self.queue;
        text.gauge("gitops_status_queue_depth", "Updates that wait for a commit", depth);
        text.gauge(
            "gitops_status_queue_capacity",
            "Updates that may wait; more are answered 503",
            capacity,
        );
        text.gauge(
            "gitops_status_queue_bytes",
            "Size of the updates that wait or are being committed",
            bytes,
        );
        text.gauge(
            "gitops_status_queue_capacity_bytes",
            "Size of the updates that may wait; more are answered 503",
            capacity_bytes,
        );
        text.gauge(
            "gitops_status_writable",
            "1 while updates can be stored, 0 after a failure until it works again",
            u8::from(self.is_storing),
        );
    }

    /// Writes the sizes that are known.
    fn write_sizes(&self, text: &mut Text) {
        let Usage {
            database_bytes,
            log_bytes,
            reusable_bytes,
            log_is_pinned,
            free_bytes,
            file_system_bytes,
        } = self.usage;
        let mut size = |name, help, value: Option<u64>| {
            if let Some(value) = value {
                text.gauge(name, help, value);
            }
        };
        size("gitops_status_database_bytes", "Size of the database file", database_bytes);
        size(
            "gitops_status_database_wal_bytes",
            "Size of the database's write-ahead log",
            log_bytes,
        );
        size(
            "gitops_status_database_reusable_bytes",
            "Size of the database's pages that hold nothing, which new data fills first",
            reusable_bytes,
        );
        size(
            "gitops_status_database_wal_pinned",
            "1 while another program reads from the write-ahead log and so lets it grow",
            log_is_pinned.map(u64::from),
        );
        size(
            "gitops_status_disk_free_bytes",
            "Free space where the database lies, as far as the program may use it",
            free_bytes,
        );
        size(
            "gitops_status_disk_size_bytes",
            "Size of the file system where the database lies",
            file_system_bytes,
        );
    }

    fn write_soundness(&self, text: &mut Text) {
        let Soundness { lost_commits, damaged, checked } = &self.soundness;
        text.gauges(
            "gitops_status_database_damaged",
            "1 for a part of the database in which damage was found",
            "part",
            Part::ALL.map(|part| (part.name(), u8::from(damaged.contains(&part)))),
        );
        text.gauge(
            "gitops_status_database_checked_timestamp_seconds",
            "When the database was last checked in full, in seconds since 1970",
            checked.map_or(0, |checked| checked.millis().div_euclid(1000)),
        );
        text.gauge(
            "gitops_status_wal_commits_lost",
            "Commits that had been confirmed and were found lost at the start, at most",
            lost_commits,
        );
    }
}
