//! Metrics: what the program tells Prometheus, of the entries and of itself.
//!
//! Every name stands in this module, and in `docs/metrics.md`; a test holds one against the other.
//! It knows the domain and what a store says of its disk, but not who asks, or over what.

mod breakdown;
mod commits;
mod connections;
mod present;
mod requests;
mod series;
mod total;

use std::fmt;

use bytes::Bytes;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::registry::Registry;

pub use breakdown::Breakdown;
pub use commits::Commits;
pub use connections::{Closing, ConnectionCounts};
pub use present::{Present, QueueLoad};
pub use requests::{RequestCounter, Requests};
pub use series::EntrySeries;

use self::present::Scrape;
use crate::domain::Timestamp;

/// The media type of the text: the format that Prometheus has read since its version 0.4, and
/// everything else that reads metrics does too.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics.
#[derive(Debug)]
pub struct Metrics {
    /// The requests that were answered.
    pub requests: Requests,
    /// The commits to the store.
    pub commits: Commits,
    /// The requests that were refused for want of room or time, by what there was too much of.
    pub overload: Breakdown,
    /// The warnings to updates that were stored, by the field that they are about.
    pub warnings: Breakdown,
    /// The open connections.
    pub connections: ConnectionCounts,
    counted: Registry,
    entries: EntrySeries,
    started: Timestamp,
    log_lines_dropped: fn() -> u64,
}

impl Metrics {
    /// Makes the metrics of a program that started at this moment and can tell how many lines of
    /// its log it has dropped.
    #[must_use]
    pub fn new(entries: EntrySeries, started: Timestamp, log_lines_dropped: fn() -> u64) -> Self {
        let mut counted = Registry::default();
        let requests = Requests::register(&mut counted);
        let commits = Commits::register(&mut counted);
        let overload = Breakdown::register(
            &mut counted,
            "gitops_status_overload_total",
            "Requests that were answered 503 because there was too much at once",
            "reason",
            &["bodies", "history", "metrics", "reads"],
        );
        let warnings = Breakdown::register(
            &mut counted,
            "gitops_status_update_warnings_total",
            "Updates that were stored without one of their fields, and answered with a warning",
            "field",
            &["files", "revision", "url"],
        );
        let connections = ConnectionCounts::register(&mut counted);
        Self {
            requests,
            commits,
            overload,
            warnings,
            connections,
            counted,
            entries,
            started,
            log_lines_dropped,
        }
    }

    /// Returns what has been counted and what is so at present, in parts to be sent one after the
    /// other.
    ///
    /// # Errors
    /// A value that the format cannot show, of which there is none.
    pub fn text(&self, present: Present) -> Result<Vec<Bytes>, fmt::Error> {
        let (series, dropped) = self.entries.text(&present.snapshot);
        let mut now = Registry::default();
        let scrape = Scrape {
            present,
            started: self.started,
            series_dropped: dropped,
            log_lines_dropped: (self.log_lines_dropped)(),
        };
        now.register_collector(Box::new(scrape));
        let mut text = String::new();
        encode_registry(&mut text, &now)?;
        encode_registry(&mut text, &self.counted)?;
        let mut parts = vec![Bytes::from(text)];
        parts.extend(series);
        Ok(parts)
    }
}
