//! The table of settings: what each is called, what it defaults to and what it is for.
//!
//! Flags, environment names, TOML keys, `--help` and `check-config` are all derived from here.
//! This module must not know how a value is parsed or where it comes from.
//! A new setting is a row here and a field of `Config`; the array's length and the exhaustive
//! patterns in `config/mod.rs` then make the compiler point at every other line to write.

/// The number of settings.
pub const COUNT: usize = 20;

/// What every environment name begins with.
const PREFIX: &str = "GITOPS_STATUS_";

/// How a value is written in TOML; flags and the environment only know text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A string.
    Text,
    /// A string such as `"2h"`, or the number 0.
    Duration,
    /// A whole number.
    Number,
    /// A boolean; as a flag, its name alone means true.
    Switch,
}

/// One setting, in all its spellings.
#[derive(Debug)]
pub struct Setting {
    /// The TOML key; the flag and the environment name are made from it.
    pub name: &'static str,
    /// The placeholder for the value in `--help`.
    pub value_name: &'static str,
    /// The value when none is given, as it would be written on the command line; empty if there
    /// is none.
    pub default: &'static str,
    /// How the value is written in TOML.
    pub kind: Kind,
    /// Whether the value may hold a password: never shown in an error, masked in `check-config`,
    /// also accepted from a file named by the environment.
    pub secret: bool,
    /// The heading in `--help`; none puts it next to `--help` itself.
    pub heading: Option<&'static str>,
    /// One line for `--help`.
    pub help: &'static str,
}

impl Setting {
    /// Returns the flag's name without its dashes: `stale-after`.
    #[must_use]
    pub fn long(&self) -> String {
        self.name.replace('_', "-")
    }

    /// Returns the name of the environment variable: `GITOPS_STATUS_STALE_AFTER`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("{PREFIX}{}", self.name.to_ascii_uppercase())
    }

    /// Returns the name of the environment variable that names a file with the value, for secrets.
    #[must_use]
    pub fn file_variable(&self) -> Option<String> {
        self.secret.then(|| format!("{}_FILE", self.variable()))
    }
}

const NETWORK: Option<&str> = Some("Network");
const STORAGE: Option<&str> = Some("Storage");
const LIFE: Option<&str> = Some("Life of an entry");
const HISTORY: Option<&str> = Some("History");
const LIMITS: Option<&str> = Some("Limits");
const METRICS: Option<&str> = Some("Metrics");
const SHUTDOWN: Option<&str> = Some("Shutdown");

/// Names the TOML file; not a key of that file.
pub static CONFIG_FILE: Setting = Setting {
    name: "config",
    value_name: "FILE",
    default: "",
    kind: Kind::Text,
    secret: false,
    heading: None,
    help: "TOML file with settings; flags and the environment override it",
};

/// Every setting, in the order in which they are listed to people.
pub static SETTINGS: [Setting; COUNT] = [
    Setting {
        name: "listen",
        value_name: "ADDR:PORT",
        default: "127.0.0.1:8080",
        kind: Kind::Text,
        secret: false,
        heading: NETWORK,
        help: "Address to serve on: IP:PORT or localhost:PORT",
    },
    Setting {
        name: "allow_anonymous_writes",
        value_name: "BOOL",
        default: "false",
        kind: Kind::Switch,
        secret: false,
        heading: NETWORK,
        help: "Serve on other addresses than loopback: whoever reaches the port may write",
    },
    Setting {
        name: "database_url",
        value_name: "URL",
        default: "sqlite://gitops-status.db",
        kind: Kind::Text,
        secret: true,
        heading: STORAGE,
        help: "Where entries are kept: sqlite://relative.db or sqlite:///absolute.db",
    },
    Setting {
        name: "stale_after",
        value_name: "DURATION",
        default: "2h",
        kind: Kind::Duration,
        secret: false,
        heading: LIFE,
        help: "Time without an update after which an entry is marked stale; 0 = never",
    },
    Setting {
        name: "ttl",
        value_name: "DURATION",
        default: "14d",
        kind: Kind::Duration,
        secret: false,
        heading: LIFE,
        help: "Time without an update after which an entry expires; 0 = never",
    },
    Setting {
        name: "history_retention",
        value_name: "DURATION",
        default: "90d",
        kind: Kind::Duration,
        secret: false,
        heading: HISTORY,
        help: "Time for which changes of entries are kept; 0 = for ever",
    },
    Setting {
        name: "history_rows_per_entry",
        value_name: "N",
        default: "1000",
        kind: Kind::Number,
        secret: false,
        heading: HISTORY,
        help: "Changes kept of one entry at most; 0 = any number",
    },
    Setting {
        name: "history_max_bytes",
        value_name: "BYTES",
        default: "1073741824",
        kind: Kind::Number,
        secret: false,
        heading: HISTORY,
        help: "Size of all kept changes at most, about; at least 1048576, or 0 = any",
    },
    Setting {
        name: "max_entries",
        value_name: "N",
        default: "1000000",
        kind: Kind::Number,
        secret: false,
        heading: LIMITS,
        help: "Entries kept at most, new ones beyond are answered 507; 0 = no limit",
    },
    Setting {
        name: "max_stored_bytes",
        value_name: "BYTES",
        default: "1073741824",
        kind: Kind::Number,
        secret: false,
        heading: LIMITS,
        help: "Size of all entries at most, new ones from 90 % on are answered 507; 0 = no limit",
    },
    Setting {
        name: "max_body_bytes",
        value_name: "BYTES",
        default: "1048576",
        kind: Kind::Number,
        secret: false,
        heading: LIMITS,
        help: "Size of an update at most, counted after decompression; 1024 to 67108864",
    },
    Setting {
        name: "request_timeout",
        value_name: "DURATION",
        default: "10s",
        kind: Kind::Duration,
        secret: false,
        heading: LIMITS,
        help: "Time a client has to send a whole request body",
    },
    Setting {
        name: "idle_timeout",
        value_name: "DURATION",
        default: "75s",
        kind: Kind::Duration,
        secret: false,
        heading: LIMITS,
        help: "Time without progress after which a connection is closed; more than a proxy's",
    },
    Setting {
        name: "max_connections",
        value_name: "N",
        default: "4096",
        kind: Kind::Number,
        secret: false,
        heading: LIMITS,
        help: "Connections open at once, beyond the longest idle is closed; 16 to 1000000",
    },
    Setting {
        name: "max_connections_per_address",
        value_name: "N",
        default: "0",
        kind: Kind::Number,
        secret: false,
        heading: LIMITS,
        help: "Connections open at once of one address; 0 = any number, as proxies need",
    },
    Setting {
        name: "workers",
        value_name: "N",
        default: "0",
        kind: Kind::Number,
        secret: false,
        heading: LIMITS,
        help: "Threads that serve requests, up to 256; 0 = one per core",
    },
    Setting {
        name: "metrics_per_entry",
        value_name: "BOOL",
        default: "true",
        kind: Kind::Switch,
        secret: false,
        heading: METRICS,
        help: "Show Prometheus the status of each entry, not only counts",
    },
    Setting {
        name: "metrics_max_entries",
        value_name: "N",
        default: "10000",
        kind: Kind::Number,
        secret: false,
        heading: METRICS,
        help: "Entries that Prometheus is shown one by one at most; 0 = no limit",
    },
    Setting {
        name: "shutdown_delay",
        value_name: "DURATION",
        default: "0",
        kind: Kind::Duration,
        secret: false,
        heading: SHUTDOWN,
        help: "Time between the signal to stop and the end of taking connections",
    },
    Setting {
        name: "shutdown_grace",
        value_name: "DURATION",
        default: "10s",
        kind: Kind::Duration,
        secret: false,
        heading: SHUTDOWN,
        help: "Time that requests under way have to finish once no more are taken",
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_spelling_is_derived_from_the_name() {
        let [_, _, database_url, ..] = &SETTINGS;
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
        let rows = || SETTINGS.iter().chain([&CONFIG_FILE]);
        let names: BTreeSet<String> =
            rows().flat_map(|row| [Some(row.variable()), row.file_variable()]).flatten().collect();
        let secrets = rows().filter(|row| row.secret).count();
        assert_eq!(names.len(), COUNT + 1 + secrets);
    }

    /// For a Service named `gitops-status-server`, Kubernetes sets `GITOPS_STATUS_SERVER_PORT`
    /// and the like in every container.
    #[test]
    fn no_setting_begins_with_server() {
        assert!(SETTINGS.iter().all(|row| !row.name.starts_with("server")));
    }
}
