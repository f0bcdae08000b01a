//! The settings in force: found, checked, and written out with the origin of each.

use std::cell::Cell;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::thread;

use super::error::ConfigError;
use super::file_path::FilePath;
use super::log_format::LogFormat;
use super::schedules::ScheduleTable;
use super::settings::{Config, MOST_WORKERS, SETTINGS};
use super::sources::{DEFAULT, Effective, Lookup, Sources};
use super::value::{address, address_or_none};
use crate::domain::Policy;

/// Settings that have been found, parsed and checked.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The values to run with.
    pub config: Config,
    /// The same for people, in the order of [`SETTINGS`](super::SETTINGS).
    pub settings: Vec<Effective>,
    schedules: Vec<ScheduleTable>,
}

impl Resolved {
    /// Finds and checks every setting.
    ///
    /// `flags` is asked for a [`Setting::name`](super::Setting::name), `environment` for the name
    /// of a variable. Other variables are ignored.
    ///
    /// # Errors
    /// The first value, in the order of [`SETTINGS`](super::SETTINGS), that is not accepted, or a
    /// TOML file that is not.
    pub fn load(flags: &Lookup<'_>, environment: &Lookup<'_>) -> Result<Self, ConfigError> {
        Self::load_after_log_format(flags, environment, &Cell::default())
    }

    /// Does so, and finds `log_format` first, so that an error about another setting can be said in that
    /// form.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_after_log_format(
        flags: &Lookup<'_>,
        environment: &Lookup<'_>,
        log_format: &Cell<LogFormat>,
    ) -> Result<Self, ConfigError> {
        let sources = Sources::open(flags, environment, SETTINGS)?;
        note_log_format(&sources, log_format);
        Self::of(sources)
    }

    /// Checks every setting of some sources.
    ///
    /// # Errors
    /// The first value that is not accepted.
    pub(super) fn of(mut sources: Sources<'_>) -> Result<Self, ConfigError> {
        let mut config = Config::read(&mut sources)?;
        config.check(&sources)?;
        config.complete_database_url(&mut sources)?;
        config.never_expire_unless_stale(&mut sources)?;
        if config.workers == 0 {
            let cores = thread::available_parallelism().map_or(1, usize::from);
            config.workers = cores.min(MOST_WORKERS);
        }
        let schedules = sources.schedules().to_vec();
        Ok(Self { config, settings: sources.into_effective(), schedules })
    }

    /// Checks that a flag, the environment or the TOML file names the database. A command that fills one
    /// must not take a file that happens to be in this folder for the server's.
    ///
    /// # Errors
    /// None of them does.
    pub fn check_database_is_named(&self) -> Result<(), ConfigError> {
        let url = &Config::database_url;
        let mut settings = self.settings.iter();
        if settings.any(|it| it.setting.name == url.name && it.origin != DEFAULT) {
            return Ok(());
        }
        let file = url.default.trim_start_matches("sqlite://");
        let (flag, variable) = (url.long(), url.variable());
        let reason = format!(
            "is not set, and the server's database need not be {file} in this folder; name it by --{flag} or \
             {variable}"
        );
        Err(ConfigError::new(url.name, reason))
    }

    /// Writes the settings as a TOML file, with the origin of each in a comment.
    ///
    /// The file has the effect of these settings, unless a password is masked in it.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let assignment =
            |Effective { setting, value, .. }: &Effective| format!("{} = {value}", setting.name);
        let lines: Vec<String> = self.settings.iter().map(assignment).collect();
        let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
        let mut text = String::new();
        for (line, Effective { origin, .. }) in lines.iter().zip(&self.settings) {
            // Writing to a string cannot fail.
            writeln!(text, "{line:width$}  # {origin}").ok();
        }
        let policy = Policy::new(self.config.stale_after, self.config.ttl);
        text.extend(self.schedules.iter().map(|table| table.to_toml(&policy)));
        text
    }
}

/// Finds the form of the log by flag and variable alone, for messages before the TOML file is read. A
/// wrong value is an error only where all settings are read.
#[must_use]
pub fn log_format(flags: &Lookup<'_>, environment: &Lookup<'_>) -> LogFormat {
    let found = Cell::default();
    note_log_format(&Sources::without_file(flags, environment), &found);
    found.get()
}

fn note_log_format(sources: &Sources<'_>, noted: &Cell<LogFormat>) {
    let found = sources.find(&Config::log_format).ok();
    if let Some(format) = found.and_then(|found| LogFormat::parse(&found.text).ok()) {
        noted.set(format);
    }
}

/// Where a server answers probes, and whether it speaks TLS there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Probed {
    /// The address.
    pub address: SocketAddr,
    /// Whether it speaks TLS.
    pub in_tls: bool,
}

/// Finds the address of the probes, `admin_listen` or else `listen`, which speaks TLS if there is a
/// certificate, and ignores every other setting but `log_format`.
///
/// A health check has to find the server even where its environment lacks the flags that the
/// server was started with.
///
/// # Errors
/// An address or a TOML file that is not accepted.
pub fn probed(
    flags: &Lookup<'_>,
    environment: &Lookup<'_>,
    log_format: &Cell<LogFormat>,
) -> Result<Probed, ConfigError> {
    let mut sources = Sources::open(flags, environment, SETTINGS)?;
    note_log_format(&sources, log_format);
    if let Some(address) = sources.read(&Config::admin_listen, address_or_none)? {
        return Ok(Probed { address, in_tls: false });
    }
    let address = sources.read(&Config::listen, address)?;
    let certificate = sources.read(&Config::tls_cert, FilePath::parse)?;
    Ok(Probed { address, in_tls: certificate.is_some() })
}
