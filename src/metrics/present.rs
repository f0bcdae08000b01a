//! What is so at the moment of a scrape, and is not counted anywhere.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::domain::{Capacity, Snapshot, Standing, Tally, Timestamp};
use crate::store::{Part, Soundness, Usage};

/// What the program's parts say of themselves at one moment.
#[derive(Clone, Debug)]
pub struct Present {
    /// The published snapshot.
    pub snapshot: Arc<Snapshot>,
    /// The limits on what is kept.
    pub capacity: Capacity,
    /// The queue of updates.
    pub queue: QueueLoad,
    /// Whether updates can be stored, as far as is known.
    pub is_storing: bool,
    /// How many listen to changes.
    pub listeners: usize,
    /// The room that the store takes and has.
    pub usage: Usage,
    /// What is known of damage to the store.
    pub soundness: Soundness,
}

/// How full the queue of updates is.
#[derive(Clone, Copy, Debug)]
pub struct QueueLoad {
    /// How many updates wait.
    pub depth: usize,
    /// How many may wait.
    pub capacity: usize,
    /// How many bytes of updates wait or are being stored.
    pub bytes: usize,
    /// How many bytes may.
    pub capacity_bytes: usize,
}

/// All that one scrape says of the present, but for the series of single entries.
#[derive(Debug)]
pub(super) struct Scrape {
    pub(super) present: Present,
    pub(super) started: Timestamp,
    /// How many series of entries are not shown for want of room.
    pub(super) series_dropped: usize,
    /// How many lines of the log were dropped.
    pub(super) log_lines_dropped: u64,
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut gauges = Gauges(encoder);
        self.write_entries(&mut gauges)?;
        self.write_storage(&mut gauges)?;
        self.write_soundness(&mut gauges)?;
        self.write_program(&mut gauges)
    }
}

impl Scrape {
    fn write_entries(&self, gauges: &mut Gauges<'_>) -> fmt::Result {
        let snapshot = &self.present.snapshot;
        let standings = snapshot.segments().iter().flat_map(|segment| segment.standings());
        let tally = Tally::of(standings.filter(|standing: &&Standing| standing.is_listed()));
        gauges.write_labelled(
            "gitops_status_entries",
            "Entries by their latest status, stale or not",
            "state",
            [("synced", tally.synced), ("out_of_sync", tally.out_of_sync)],
        )?;
        gauges.write(
            "gitops_status_drifted_entries",
            "Entries that are out of sync or have files that differ, stale or not",
            tally.drifted,
        )?;
        gauges.write(
            "gitops_status_stale_entries",
            "Entries whose reporter has fallen silent",
            tally.stale,
        )?;
        gauges.write(
            "gitops_status_series_dropped",
            "Series of single entries that are not here because of metrics_max_entries",
            self.series_dropped,
        )?;
        gauges.write(
            "gitops_status_snapshot_bytes",
            "Estimated size of all entries in memory, without answers that are kept ready",
            snapshot.segments().iter().map(|segment| segment.weight()).sum::<usize>(),
        )?;
        self.write_limits(gauges)
    }

    #[expect(clippy::cast_precision_loss, reason = "a ratio needs no more digits")]
    fn write_limits(&self, gauges: &mut Gauges<'_>) -> fmt::Result {
        let Present { snapshot, capacity: Capacity { entries, bytes }, .. } = &self.present;
        gauges.write(
            "gitops_status_stored_bytes",
            "Size of all entries that are kept, as in /status.json",
            snapshot.row_bytes(),
        )?;
        let used = [
            ("max_entries", snapshot.kept() as f64, entries.map(|most| most as f64)),
            ("max_stored_bytes", snapshot.row_bytes() as f64, bytes.map(|most| most as f64)),
        ];
        let ratios = used.into_iter().filter_map(|(limit, used, most)| Some((limit, used / most?)));
        gauges.write_labelled(
            "gitops_status_limit_used_ratio",
            "How much of a limit on what is kept is used; at 1 new entries are answered 507, for \
             max_stored_bytes from 0.9 on",
            "limit",
            ratios,
        )
    }

    fn write_storage(&self, gauges: &mut Gauges<'_>) -> fmt::Result {
        let Present { queue, is_storing, .. } = &self.present;
        let QueueLoad { depth, capacity, bytes, capacity_bytes } = *queue;
        gauges.write("gitops_status_queue_depth", "Updates that wait for a commit", depth)?;
        gauges.write(
            "gitops_status_queue_capacity",
            "Updates that may wait; more are answered 503",
            capacity,
        )?;
        gauges.write(
            "gitops_status_queue_bytes",
            "Size of the updates that wait or are being committed",
            bytes,
        )?;
        gauges.write(
            "gitops_status_queue_capacity_bytes",
            "Size of the updates that may wait; more are answered 503",
            capacity_bytes,
        )?;
        gauges.write(
            "gitops_status_writable",
            "1 while updates can be stored, 0 after a failure until it works again",
            u32::from(*is_storing),
        )?;
        self.write_sizes(gauges)
    }

    fn write_sizes(&self, gauges: &mut Gauges<'_>) -> fmt::Result {
        let Usage { database_bytes, log_bytes, reusable_bytes, log_is_pinned, free_bytes } =
            self.present.usage;
        for (name, help, value) in [
            ("gitops_status_database_bytes", "Size of the database file", database_bytes),
            (
                "gitops_status_database_wal_bytes",
                "Size of the database's write-ahead log",
                log_bytes,
            ),
            (
                "gitops_status_database_reusable_bytes",
                "Size of the database's pages that hold nothing, which new data fills first",
                reusable_bytes,
            ),
            (
                "gitops_status_database_wal_pinned",
                "1 while another program reads from the write-ahead log and so lets it grow",
                log_is_pinned.map(u64::from),
            ),
            (
                "gitops_status_disk_free_bytes",
                "Free space where the database lies, as far as the program may use it",
                free_bytes,
            ),
        ] {
            if let Some(value) = value {
                gauges.write(name, help, value)?;
            }
        }
        Ok(())
    }

    fn write_soundness(&self, gauges: &mut Gauges<'_>) -> fmt::Result {
        let Soundness { lost_commits, damaged, checked } = &self.present.soundness;
        gauges.write_labelled(
            "gitops_status_database_damaged",
            "1 for a part of the database in which damage was found",
            "part",
            Part::ALL.map(|part| (part.name(), usize::from(damaged.contains(&part)))),
        )?;
        gauges.write(
            "gitops_status_database_checked_timestamp_seconds",
            "When all of the database has last been looked through, in seconds since 1970",
            checked.map_or(0, |checked| checked.millis().div_euclid(1000)),
        )?;
        gauges.write(
            "gitops_status_wal_commits_lost",
            "Commits that had been confirmed and were found lost at the start, at most",
            *lost_commits,
        )
    }

    fn write_program(&self, gauges: &mut Gauges<'_>) -> fmt::Result {
        gauges.write_labelled(
            "gitops_status_build_info",
            "1, with the version of the program",
            "version",
            [(env!("CARGO_PKG_VERSION"), 1)],
        )?;
        gauges.write(
            "gitops_status_event_streams",
            "Open streams of changes",
            self.present.listeners,
        )?;
        gauges.write_counter(
            "gitops_status_log_lines_dropped_total",
            "Lines of the log that could not be written",
            self.log_lines_dropped,
        )?;
        gauges.write(
            "process_start_time_seconds",
            "When the program started, in seconds since 1970",
            self.started.millis().div_euclid(1000),
        )
    }
}

/// Where gauges are written.
struct Gauges<'a>(DescriptorEncoder<'a>);

impl Gauges<'_> {
    fn write(&mut self, name: &str, help: &str, value: impl EncodeGaugeValue) -> fmt::Result {
        let metric = self.0.encode_descriptor(name, &sentence(help), None, MetricType::Gauge)?;
        ConstGauge::new(value).encode(metric)
    }

    /// Writes what only grows and is counted elsewhere; the name ends in `_total`.
    fn write_counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let metric = self.0.encode_descriptor(name, &sentence(help), None, MetricType::Counter)?;
        // Encoded as a counter, it would get the ending twice.
        ConstGauge::new(value).encode(metric)
    }

    fn write_labelled<'a>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'a str, impl EncodeGaugeValue)>,
    ) -> fmt::Result {
        let mut metric =
            self.0.encode_descriptor(name, &sentence(help), None, MetricType::Gauge)?;
        for (word, value) in values {
            ConstGauge::new(value).encode(metric.encode_family(&[(label, word)])?)?;
        }
        Ok(())
    }
}

/// Ends a help text as the library ends those that are registered with it.
fn sentence(help: &str) -> String {
    format!("{help}.")
}
