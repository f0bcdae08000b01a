//! The settings: found, parsed and checked once, before anything is opened.
//!
//! The server runs with a [`Config`], and nothing checks a setting again. This module reads the
//! TOML file and files with secrets, but neither the process's arguments nor its environment, and
//! must not know what the settings are used for.

mod allowed_hosts;
mod checks;
mod database_url;
mod duration;
mod error;
mod file;
mod file_path;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod log_format;
mod postgres;
mod resolved;
mod schedules;
mod setting;
mod settings;
mod sources;
#[cfg(test)]
mod tests;
pub(crate) mod text_file;
pub(crate) mod toml_text;
mod value;
mod watched_files;
mod web_url;

pub use allowed_hosts::AllowedHosts;
pub use checks::is_loopback;
pub use database_url::DatabaseUrl;
pub use duration::parse_above_zero as parse_duration;
pub use error::ConfigError;
pub(crate) use error::shown_value;
pub use file_path::FilePath;
pub use log_format::LogFormat;
pub use postgres::{LoginSecrets, Place, PostgresUrl, SslMode};
pub use resolved::{Probed, Resolved, log_format, probed};
pub use setting::{CONFIG_FILE, Setting};
pub use settings::{Config, SETTINGS};
pub use sources::{Effective, Lookup};
pub use value::{InvalidValue, Kind};
pub use watched_files::{Files, WatchedFiles};
pub use web_url::{ExternalUrl, RevisionUrl};
