//! The settings in force and where each came from, for `check-config` and for the server.
//!
//! This module must not know how values are parsed.

use std::fmt::Write as _;

use toml::Value;

use super::Config;
use super::database_url::without_password;
use super::error::ConfigError;
use super::settings::{SETTINGS, Setting};
use super::sources::{Lookup, Origin, Sources};

/// Settings that were found, parsed and held against each other.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The values to run with.
    pub config: Config,
    /// The same for people, one for each of [`SETTINGS`], in that order.
    pub settings: Vec<Effective>,
}

/// One setting in force.
#[derive(Clone, Debug)]
pub struct Effective {
    /// Which setting it is.
    pub setting: &'static Setting,
    /// Its value as it would be written in the TOML file; a password is masked.
    pub value: Value,
    /// Where the value came from.
    pub origin: Origin,
}

impl Resolved {
    /// Finds every setting's value and checks all of them.
    ///
    /// `flags` is asked for a [`Setting::name`], `environment` for the name of a variable; other
    /// variables are not looked at.
    ///
    /// # Errors
    /// The first value, in the order of [`SETTINGS`], that is not acceptable; a TOML file that
    /// is not.
    pub fn load(flags: &Lookup<'_>, environment: &Lookup<'_>) -> Result<Self, ConfigError> {
        let sources = Sources::open(flags, environment)?;
        let config = Config::read(&sources)?;
        config.check(&sources)?;
        let settings = SETTINGS
            .iter()
            .zip(config.shown())
            .map(|(setting, value)| {
                let value = if setting.secret { masked(value) } else { value };
                let origin = sources.origin(setting)?;
                Ok(Effective { setting, value, origin })
            })
            .collect::<Result<_, ConfigError>>()?;
        Ok(Self { config: config.with_workers_counted(), settings })
    }

    /// Writes the settings as a TOML file, each with a comment that says where it came from.
    ///
    /// The file has the effect of the present settings, unless a password is masked in it.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let lines: Vec<String> = self.settings.iter().map(Effective::assignment).collect();
        let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
        let mut text = String::new();
        for (line, Effective { setting, origin, .. }) in lines.iter().zip(&self.settings) {
            // Writing to a string cannot fail.
            writeln!(text, "{line:width$}  # {}", origin.describe(setting)).ok();
        }
        text
    }
}

impl Effective {
    fn assignment(&self) -> String {
        let Self { setting, value, origin: _ } = self;
        format!("{} = {value}", setting.name)
    }
}

fn masked(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(without_password(&text)),
        other => other,
    }
}
