//! The settings: found, parsed and checked once, before anything is opened.
//!
//! [`Config`] is what the server runs with; nothing behind it checks a setting again. This module
//! reads the TOML file and files with secrets, but neither the process's arguments nor its
//! environment, and it must not know what the settings are used for.

mod database_url;
mod duration;
mod effective;
mod error;
mod file;
mod settings;
mod sources;
#[cfg(test)]
mod tests;
mod text_file;
mod value;

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use toml::Value;

pub use database_url::DatabaseUrl;
pub use effective::{Effective, Resolved};
pub use error::ConfigError;
pub use settings::{CONFIG_FILE, COUNT, Kind, SETTINGS, Setting};
pub use sources::{Lookup, Origin};
pub use value::InvalidValue;

use sources::Sources;
use value::{address, number, number_or_off, switch};

/// The most bytes that can be allowed: more than any disk has.
const MOST_BYTES: usize = 1 << 50;
/// The highest limit on a number of connections.
const MOST_CONNECTIONS: usize = 1_000_000;
/// The most threads that serve requests.
const MOST_WORKERS: usize = 256;

/// The highest limit on a number of entries.
const MOST_ENTRIES: usize = 1_000_000_000;

/// The settings, typed. What each is for stands in the table, [`SETTINGS`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// The address to listen on; port 0 lets the operating system choose.
    pub listen: SocketAddr,
    /// Whether whoever reaches the port may write. Always true if `listen` is not loopback.
    pub allow_anonymous_writes: bool,
    /// Where entries are kept.
    pub database: DatabaseUrl,
    /// The silence after which an entry is stale; `None` means never.
    pub stale_after: Option<Duration>,
    /// The silence after which an entry expires, longer than `stale_after`; `None` means never.
    pub ttl: Option<Duration>,
    /// How long changes of entries are kept; `None` means for ever.
    pub history_retention: Option<Duration>,
    /// How many changes of one entry are kept at most; `None` means any number.
    pub history_rows_per_entry: Option<usize>,
    /// How many bytes the kept changes may take, about; `None` means any number.
    pub history_max_bytes: Option<usize>,
    /// The most entries that are kept; `None` means no limit.
    pub max_entries: Option<usize>,
    /// The most bytes of entries, as in `/status.json`; `None` means no limit.
    pub max_stored_bytes: Option<usize>,
    /// The longest body of an update in bytes, after decompression.
    pub max_body_bytes: usize,
    /// The time a client has to send a whole body; above zero.
    pub request_timeout: Duration,
    /// The time without progress after which a connection is closed; above zero.
    pub idle_timeout: Duration,
    /// The most connections that are open at once.
    pub max_connections: usize,
    /// The most connections of one address; `None` means any number.
    pub max_connections_per_address: Option<usize>,
    /// The number of threads that serve requests, from 1 to 256.
    pub workers: usize,
    /// Whether metrics show each entry.
    pub metrics_per_entry: bool,
    /// The most entries that metrics show one by one; `None` means no limit.
    pub metrics_max_entries: Option<usize>,
    /// The time between the signal to stop and the end of taking connections; may be zero.
    pub shutdown_delay: Duration,
    /// The time that requests under way have to finish after that; above zero.
    pub shutdown_grace: Duration,
}

/// Finds the address to listen on and looks at no other setting.
///
/// A health check has to find the server, also where a container's environment lacks the flags
/// that the server was started with.
///
/// # Errors
/// An address that is not acceptable; a TOML file that is not.
pub fn listen_address(
    flags: &Lookup<'_>,
    environment: &Lookup<'_>,
) -> Result<SocketAddr, ConfigError> {
    let [listen, ..] = &SETTINGS;
    Sources::open(flags, environment)?.read(listen, address)
}

impl Config {
    /// Reads every setting; `workers` is left as it was given, where 0 means one per core.
    fn read(sources: &Sources<'_>) -> Result<Self, ConfigError> {
        let [
            listen,
            allow_anonymous_writes,
            database_url,
            stale_after,
            ttl,
            history_retention,
            history_rows_per_entry,
            history_max_bytes,
            max_entries,
            max_stored_bytes,
            max_body_bytes,
            request_timeout,
            idle_timeout,
            max_connections,
            max_connections_per_address,
            workers,
            metrics_per_entry,
            metrics_max_entries,
            shutdown_delay,
            shutdown_grace,
        ] = &SETTINGS;
        Ok(Self {
            listen: sources.read(listen, address)?,
            allow_anonymous_writes: sources.read(allow_anonymous_writes, switch)?,
            database: sources.read(database_url, DatabaseUrl::parse)?,
            stale_after: sources.read(stale_after, duration::parse_or_off)?,
            ttl: sources.read(ttl, duration::parse_or_off)?,
            history_retention: sources.read(history_retention, duration::parse_or_off)?,
            history_rows_per_entry: sources
                .read(history_rows_per_entry, number_or_off(1, MOST_ENTRIES))?,
            history_max_bytes: sources
                .read(history_max_bytes, number_or_off(1_048_576, MOST_BYTES))?,
            max_entries: sources.read(max_entries, number_or_off(1, MOST_ENTRIES))?,
            max_stored_bytes: sources.read(max_stored_bytes, number_or_off(1, MOST_BYTES))?,
            max_body_bytes: sources.read(max_body_bytes, number(1024..=67_108_864))?,
            request_timeout: sources.read(request_timeout, duration::parse_above_zero)?,
            idle_timeout: sources.read(idle_timeout, duration::parse_above_zero)?,
            max_connections: sources.read(max_connections, number(16..=MOST_CONNECTIONS))?,
            max_connections_per_address: sources
                .read(max_connections_per_address, number_or_off(1, MOST_CONNECTIONS))?,
            workers: sources.read(workers, number(0..=MOST_WORKERS))?,
            metrics_per_entry: sources.read(metrics_per_entry, switch)?,
            metrics_max_entries: sources
                .read(metrics_max_entries, number_or_off(1, MOST_ENTRIES))?,
            shutdown_delay: sources.read(shutdown_delay, duration::parse)?,
            shutdown_grace: sources.read(shutdown_grace, duration::parse_above_zero)?,
        })
    }

    /// Holds settings against each other; the sources only serve to say where a value came from.
    fn check(&self, sources: &Sources<'_>) -> Result<(), ConfigError> {
        let [listen, allow_anonymous_writes, _, stale_after, ttl, ..] = &SETTINGS;
        self.check_writers(sources, listen, allow_anonymous_writes)?;
        self.check_lifetimes(sources, stale_after, ttl)
    }

    /// Refuses to let others than this machine write unless that was said to be wanted.
    fn check_writers(
        &self,
        sources: &Sources<'_>,
        listen: &'static Setting,
        allow: &'static Setting,
    ) -> Result<(), ConfigError> {
        // An IPv4 address in IPv6 form is what it is in IPv4.
        if self.allow_anonymous_writes || self.listen.ip().to_canonical().is_loopback() {
            return Ok(());
        }
        let (flag, variable) = (allow.long(), allow.variable());
        Err(sources.find(listen)?.refused(&format!(
            "is not a loopback address, and nothing would protect the entries: listen on a \
             loopback address such as {}, or set --{flag} ({variable}=true), which means that \
             whoever reaches the port may write",
            listen.default,
        )))
    }

    /// Refuses a life that ends before staleness begins.
    fn check_lifetimes(
        &self,
        sources: &Sources<'_>,
        stale_after: &'static Setting,
        ttl: &'static Setting,
    ) -> Result<(), ConfigError> {
        match (self.stale_after, self.ttl) {
            (Some(stale), Some(end)) if end <= stale => {
                let other = sources.find(stale_after)?;
                Err(sources.find(ttl)?.refused(&format!(
                    "{} must be above {}, which is {} ({}); 0 turns either off",
                    ttl.name,
                    stale_after.name,
                    other.text,
                    other.origin.describe(stale_after),
                )))
            }
            _ => Ok(()),
        }
    }

    /// Writes the values as TOML values, in the order of [`SETTINGS`].
    fn shown(&self) -> [Value; COUNT] {
        let Self {
            listen,
            allow_anonymous_writes,
            database,
            stale_after,
            ttl,
            history_retention,
            history_rows_per_entry,
            history_max_bytes,
            max_entries,
            max_stored_bytes,
            max_body_bytes,
            request_timeout,
            idle_timeout,
            max_connections,
            max_connections_per_address,
            workers,
            metrics_per_entry,
            metrics_max_entries,
            shutdown_delay,
            shutdown_grace,
        } = self;
        [
            Value::String(listen.to_string()),
            Value::Boolean(*allow_anonymous_writes),
            Value::String(database.to_string()),
            shown_duration(stale_after.unwrap_or_default()),
            shown_duration(ttl.unwrap_or_default()),
            shown_duration(history_retention.unwrap_or_default()),
            shown_number(history_rows_per_entry.unwrap_or_default()),
            shown_number(history_max_bytes.unwrap_or_default()),
            shown_number(max_entries.unwrap_or_default()),
            shown_number(max_stored_bytes.unwrap_or_default()),
            shown_number(*max_body_bytes),
            shown_duration(*request_timeout),
            shown_duration(*idle_timeout),
            shown_number(*max_connections),
            shown_number(max_connections_per_address.unwrap_or_default()),
            shown_number(*workers),
            Value::Boolean(*metrics_per_entry),
            shown_number(metrics_max_entries.unwrap_or_default()),
            shown_duration(*shutdown_delay),
            shown_duration(*shutdown_grace),
        ]
    }

    /// Puts the machine's number of cores where one worker per core is asked for.
    fn with_workers_counted(self) -> Self {
        let workers = match self.workers {
            0 => thread::available_parallelism().map_or(1, |cores| cores.get().min(MOST_WORKERS)),
            asked => asked,
        };
        Self { workers, ..self }
    }
}

fn shown_duration(duration: Duration) -> Value {
    Value::String(duration::format(duration))
}

fn shown_number(number: usize) -> Value {
    // No setting's range reaches beyond TOML's numbers.
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}
