//! The table of settings. A new setting is a row here.
//!
//! The row makes the flag, the environment variable, the TOML key, the line in `--help`, the line
//! in `check-config` and the field of [`Config`].

use std::net::SocketAddr;
use std::time::Duration;

use super::allowed_hosts::AllowedHosts;
use super::database_url::DatabaseUrl;
use super::duration;
use super::error::ConfigError;
use super::file_path::FilePath;
use super::log_format::LogFormat;
use super::setting::{Setting, settings};
use super::sources::Sources;
use super::value::{SettingValue, address, address_or_none, limit, number, switch};
use super::web_url::{ExternalUrl, RevisionUrl};
use crate::domain::Schedule;

/// More bytes than any disk has.
const MOST_BYTES: usize = 1 << 50;
const MOST_CONNECTIONS: usize = 1_000_000;
const MOST_ENTRIES: usize = 1_000_000_000;
pub(super) const MOST_WORKERS: usize = 256;

settings! {
    "Network" {
        /// Address to serve on: IP:PORT or localhost:PORT
        listen: SocketAddr = "127.0.0.1:8080", address;
        /// Address of a second port, for probes and metrics only: IP:PORT or localhost:PORT
        admin_listen: Option<SocketAddr> = "", address_or_none;
        /// Allow an address beyond loopback: anyone who reaches the port may write
        allow_anonymous_writes: bool = "false", switch;
    }
    "Access" {
        /// TOML file of tokens, and what each may do; see `token new`
        tokens_file: Option<FilePath> = "", FilePath::parse;
        /// Refuse to let anyone read without a token that may read
        require_read_token: bool = "false", switch;
        /// Names of this server in browsers, a comma list: status.example.org,*.example.net
        allowed_hosts: AllowedHosts = "", AllowedHosts::parse;
    }
    "TLS" {
        /// PEM file of the certificate and its chain; with it, the server speaks TLS
        tls_cert: Option<FilePath> = "", FilePath::parse;
        /// PEM file of the certificate's key, without a passphrase
        tls_key: Option<FilePath> = "", FilePath::parse;
    }
    "Links" {
        /// Where people reach this server: an http or https URL, for badges and copied commands
        external_url: Option<ExternalUrl> = "", ExternalUrl::parse;
        /// The page of a commit: a URL with {revision}, and with {repo} if it needs that
        revision_url: Option<RevisionUrl> = "", RevisionUrl::parse;
    }
    "Storage" {
        /// Where entries are stored: sqlite://relative.db or postgres://user@host/database
        database_url: DatabaseUrl = "sqlite://gitops-status.db", DatabaseUrl::parse;
        /// File with the password for postgres://, read again for each connection
        database_password_file: Option<FilePath> = "", FilePath::parse;
    }
    "Backup" {
        /// Folder in which the server keeps backups that it makes by itself; SQLite only
        backup_dir: Option<FilePath> = "", FilePath::parse;
        /// Time from one such backup to the next
        backup_every: Duration = "1d", duration::parse_above_zero;
        /// Number of such backups to keep, 1 to 10000; older ones are removed after a new one
        backup_keep: usize = "7", number::<1, 10_000>;
    }
    "Life of an entry" {
        /// Time without an update after which an entry is marked stale; 0 = never
        stale_after: Option<Duration> = "2h", duration::parse_or_off;
        /// Time without an update after which an entry expires; 0 = never
        ttl: Option<Duration> = "14d", duration::parse_or_off;
    }
    "History" {
        /// Time for which changes of entries are kept; 0 = for ever
        history_retention: Option<Duration> = "90d", duration::parse_or_off;
        /// Most changes kept of one entry; 0 = no limit
        history_rows_per_entry: Option<usize> = "1000", limit::<1, MOST_ENTRIES>;
        /// Approximate size of all kept changes at most; at least 1048576, or 0 = no limit
        history_max_bytes: Option<usize> = "1073741824", limit::<1_048_576, MOST_BYTES>;
    }
    "Limits" {
        /// Most entries; new ones beyond are answered 507; 0 = no limit
        max_entries: Option<usize> = "1000000", limit::<1, MOST_ENTRIES>;
        /// Size of all entries at most; above 90 % new ones are answered 507; 0 = no limit
        max_stored_bytes: Option<usize> = "1073741824", limit::<1, MOST_BYTES>;
        /// Size of an update at most, after decompression; 1024 to 67108864
        max_body_bytes: usize = "1048576", number::<1024, 67_108_864>;
        /// Time a client has to send a whole request body
        request_timeout: Duration = "10s", duration::parse_above_zero;
        /// Time without progress after which a connection is closed; set it above a proxy's
        idle_timeout: Duration = "75s", duration::parse_above_zero;
        /// Most open connections; beyond, the longest idle one is closed; 16 to 1000000
        max_connections: usize = "4096", number::<16, MOST_CONNECTIONS>;
        /// Most open connections of one address; 0 = no limit, as needed behind a proxy
        max_connections_per_address: Option<usize> = "0", limit::<1, MOST_CONNECTIONS>;
        /// Threads that serve requests, at most 256; 0 = one per core
        workers: usize = "0", number::<0, MOST_WORKERS>;
    }
    "Metrics" {
        /// Export the status of each entry to Prometheus, not only counts
        metrics_per_entry: bool = "true", switch;
        /// Most entries exported in full; beyond, only that one is drifted or stale; 0 = no limit
        metrics_max_entries: Option<usize> = "50000", limit::<1, MOST_ENTRIES>;
    }
    "Log" {
        /// Form of the lines on standard error: text, or json for one JSON object each
        log_format: LogFormat = "text", LogFormat::parse;
    }
    "Shutdown" {
        /// Time between the signal to stop and the end of accepting connections
        shutdown_delay: Duration = "0", duration::parse;
        /// Time for requests in flight to finish after that
        shutdown_grace: Duration = "10s", duration::parse_above_zero;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::setting::CONFIG_FILE;
    use super::*;

    #[test]
    fn every_spelling_is_derived_from_the_name() {
        let database_url = &Config::database_url;
        assert_eq!(database_url.long(), "database-url");
        assert_eq!(database_url.variable(), "GITOPS_STATUS_DATABASE_URL");
        assert_eq!(
            database_url.file_variable().as_deref(),
            Some("GITOPS_STATUS_DATABASE_URL_FILE")
        );
        assert_eq!(SETTINGS[0].file_variable(), None);
    }

    #[test]
    fn no_two_settings_share_an_environment_name() {
        let rows = || SETTINGS.iter().copied().chain([&CONFIG_FILE]);
        let names: BTreeSet<String> =
            rows().flat_map(|row| [Some(row.variable()), row.file_variable()]).flatten().collect();
        let secrets = rows().filter(|row| row.is_secret()).count();
        assert_eq!(names.len(), SETTINGS.len() + 1 + secrets);
    }

    /// For a Service named `gitops-status-server`, Kubernetes sets `GITOPS_STATUS_SERVER_PORT`
    /// and the like in every container.
    #[test]
    fn no_setting_begins_with_server() {
        assert!(SETTINGS.iter().all(|row| !row.name.starts_with("server")));
    }
}
