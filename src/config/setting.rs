//! One setting and its spellings, and the macro that turns the table of settings into code.
//!
//! This module must not know which settings the table has.

use super::value::Kind;

/// The prefix of every environment variable.
const PREFIX: &str = "GITOPS_STATUS_";

/// One setting, in all its spellings.
#[derive(Debug)]
pub struct Setting {
    /// The TOML key, from which the flag and the environment variable are derived.
    pub name: &'static str,
    /// What its value looks like.
    pub kind: Kind,
    /// The default as it would be written on the command line; empty if there is none.
    pub default: &'static str,
    /// The heading in `--help`; a setting without one stands next to `--help` itself.
    pub heading: Option<&'static str>,
    /// One line for `--help`.
    pub help: &'static str,
}

/// Names the TOML file; not a key of that file, and so no row of the table.
pub static CONFIG_FILE: Setting = Setting {
    name: "config",
    kind: Kind::File,
    default: "",
    heading: None,
    help: "TOML file with settings; flags and the environment override it",
};

impl Setting {
    /// Returns the flag without its dashes: `stale-after`.
    #[must_use]
    pub fn long(&self) -> String {
        self.name.replace('_', "-")
    }

    /// Returns the environment variable: `GITOPS_STATUS_STALE_AFTER`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("{PREFIX}{}", self.name.to_ascii_uppercase())
    }

    /// Returns the environment variable that names a file with the value; only secrets have one.
    #[must_use]
    pub fn file_variable(&self) -> Option<String> {
        self.is_secret().then(|| format!("{}_FILE", self.variable()))
    }

    /// Whether the value may hold a password. Errors never show such a value, `check-config` masks
    /// it, and it can also come from a file that the environment names.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.kind == Kind::Url
    }

    /// Returns the placeholder for the value in `--help`.
    #[must_use]
    pub fn placeholder(&self) -> &'static str {
        match self.kind {
            Kind::Address => "ADDR:PORT",
            Kind::Url | Kind::Link => "URL",
            Kind::File => "FILE",
            Kind::Hosts => "HOSTS",
            Kind::Duration => "DURATION",
            Kind::Number if self.name.ends_with("_bytes") => "BYTES",
            Kind::Number => "N",
            Kind::Switch => "BOOL",
            Kind::Format => "FORMAT",
        }
    }
}

/// Turns the table of settings into [`Config`](super::Config), the list of all settings, and the
/// function that reads them.
///
/// A macro of our own rather than clap's derive, because the table also names the keys of the file
/// and errors name the source of a value.
///
/// A row is `/// help`, then `name: Type = "default", parser;`. The [`Setting`] of a field is the
/// constant of the same name: `Config::ttl` describes `config.ttl`.
macro_rules! settings {
    ($($heading:literal {
        $(#[doc = $help:literal] $name:ident: $type:ty = $default:literal, $parse:expr;)+
    })+) => {
        /// The settings, typed. `None` is what 0 stands for: never, for ever, no limit.
        #[expect(clippy::doc_markdown, reason = "`--help` is no Markdown")]
        #[derive(Clone, Debug, Eq, PartialEq)]
        pub struct Config {
            $($(#[doc = $help] pub $name: $type,)+)+
            /// The settings for entries of another rhythm, which only the TOML file has.
            pub schedules: Vec<Schedule>,
        }

        /// Every setting, in the order in which people see them.
        pub static SETTINGS: &[&Setting] = &[$($(&Config::$name,)+)+];

        #[expect(non_upper_case_globals, reason = "a constant has the name of its field")]
        impl Config {
            $($(pub(super) const $name: Setting = Setting {
                name: stringify!($name),
                kind: <$type as SettingValue>::KIND,
                default: $default,
                heading: Some($heading),
                help: $help.trim_ascii(),
            };)+)+

            /// Reads every setting, in the order of the table.
            pub(super) fn read(sources: &mut Sources<'_>) -> Result<Self, ConfigError> {
                let schedules = sources.schedules().iter().map(|table| table.schedule.clone());
                Ok(Self {
                    schedules: schedules.collect(),
                    $($($name: sources.read(&Self::$name, $parse)?,)+)+
                })
            }
        }
    };
}
pub(super) use settings;
