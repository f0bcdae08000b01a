//! All metrics, and the answer to a scrape.

use bytes::Bytes;

use super::expired_drifted;
use super::series::Written;
use super::text::Text;
use super::{
    Breakdown, Commits, ConnectionCounts, EntrySeries, Gauges, Requests, TlsUse, TokenUse, Updates,
};
use crate::access::Access;
use crate::domain::Timestamp;

/// The media type of a scrape: a format that every version of Prometheus since 0.4 reads.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics.
#[derive(Debug)]
pub struct Metrics {
    /// Answered requests.
    pub requests: Requests,
    /// Commits to the store.
    pub commits: Commits,
    /// Requests that were refused for lack of room or time, by the kind of work.
    pub overload: Breakdown,
    /// Valid updates, by outcome.
    pub updates: Updates,
    /// Requests without a valid token.
    pub tokens: TokenUse,
    /// Connections.
    pub connections: ConnectionCounts,
    /// The certificate, and handshakes.
    pub tls: TlsUse,
    entries: EntrySeries,
    started: Timestamp,
    external_url: Option<String>,
    log_lines_dropped: fn() -> u64,
}

impl Metrics {
    /// Makes the metrics of a program that started at a moment, that people may reach at a URL of
    /// plain characters, and that can tell how many lines of its log it has dropped.
    #[must_use]
    pub fn new(
        entries: EntrySeries,
        started: Timestamp,
        external_url: Option<String>,
        log_lines_dropped: fn() -> u64,
    ) -> Self {
        Self {
            requests: Requests::default(),
            commits: Commits::new(),
            overload: Breakdown::new(&["bodies", "history", "metrics", "reads"]),
            updates: Updates::new(),
            tokens: TokenUse::new(),
            connections: ConnectionCounts::default(),
            tls: TlsUse::new(),
            entries,
            started,
            external_url,
            log_lines_dropped,
        }
    }

    /// Returns the text of a scrape, in parts to be sent one after the other.
    #[must_use]
    pub fn text(&self, gauges: &Gauges, access: &Access) -> Vec<Bytes> {
        let Written { families, dropped_series, dropped_wrong_entries } =
            self.entries.write(&gauges.snapshot);
        let mut text = Text::default();
        gauges.write(&mut text);
        text.gauge(
            "gitops_status_series_dropped",
            "Series of single entries that are not here because of metrics_max_entries",
            dropped_series,
        );
        text.gauge(
            "gitops_status_wrong_entries_dropped",
            "Drifted or stale entries that have no series, since too many others have",
            dropped_wrong_entries,
        );
        self.write_program(&mut text);
        self.requests.write(&mut text);
        self.commits.write(&mut text);
        text.breakdown(
            "gitops_status_overload_total",
            "Requests that were answered 503 because there was too much at once",
            "reason",
            &self.overload,
        );
        self.updates.write(&mut text);
        self.tokens.write(access, &mut text);
        self.connections.write(&mut text);
        self.tls.write(&mut text);
        let mut parts = vec![Bytes::from(text.into_string())];
        if self.entries.is_on {
            parts.push(expired_drifted::text(&gauges.snapshot));
        }
        parts.extend(families);
        parts
    }

    fn write_program(&self, text: &mut Text) {
        let build = concat!(
            "version=\"",
            env!("CARGO_PKG_VERSION"),
            "\",revision=\"",
            env!("GITOPS_STATUS_COMMIT"),
            "\""
        );
        text.family(
            "gitops_status_build_info",
            "1, with the version of the program and the commit of its sources",
            "gauge",
            [(build, 1)],
        );
        if let Some(url) = &self.external_url {
            text.gauges(
                "gitops_status_external_url_info",
                "1, with the address at which people reach the program",
                "url",
                [(url.as_str(), 1)],
            );
        }
        text.counter(
            "gitops_status_log_lines_dropped_total",
            "Lines of the log that could not be written",
            (self.log_lines_dropped)(),
        );
        text.gauge(
            "process_start_time_seconds",
            "When the program started, in seconds since 1970",
            self.started.millis().div_euclid(1000),
        );
    }
}
