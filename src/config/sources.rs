//! Where values come from: flag, then environment, then TOML file, then default.
//!
//! Flags and environment are handed in as look-ups, so nothing here touches the process.
//! What a value means is not known here; that a value is never empty is.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::error::{ConfigError, shown_path, shown_value};
use super::file::{self, ConfigFile};
use super::settings::{CONFIG_FILE, Setting};
use super::text_file;
use super::value::InvalidValue;

/// Looks a name up: an environment variable's name, or the [`Setting::name`] of a flag.
pub type Lookup<'a> = dyn Fn(&str) -> Option<OsString> + 'a;

/// Where the value in force came from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    /// The command line.
    Flag,
    /// The environment.
    Environment,
    /// A file that the environment names, which holds nothing but the value.
    SecretFile(PathBuf),
    /// A line of the TOML file.
    ConfigFile {
        /// The file as it was named.
        path: PathBuf,
        /// The line's number, from 1.
        line: usize,
    },
    /// Nobody gave a value.
    Default,
}

impl Origin {
    /// Says in one line where a setting's value came from, in the spelling used there.
    #[must_use]
    pub fn describe(&self, setting: &Setting) -> String {
        match self {
            Self::Flag => format!("flag --{}", setting.long()),
            Self::Environment => format!("environment {}", setting.variable()),
            Self::SecretFile(path) => {
                let variable = setting.file_variable().unwrap_or_else(|| setting.variable());
                format!("environment {variable}, file {}", shown_path(path))
            }
            Self::ConfigFile { path, line } => {
                format!("{} key {}", file::place(path, *line), setting.name)
            }
            Self::Default => "default".to_owned(),
        }
    }
}

/// A value in force, still as text.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) setting: &'static Setting,
    pub(super) text: String,
    pub(super) origin: Origin,
}

impl Found {
    /// Makes the error for this value; the value is repeated unless it is a secret.
    pub(super) fn refused(&self, reason: &str) -> ConfigError {
        let origin = match &self.origin {
            Origin::Default => format!("default of {}", self.setting.name),
            given => given.describe(self.setting),
        };
        let place = if self.setting.secret {
            origin
        } else {
            format!("{origin} {}", shown_value(&self.text))
        };
        ConfigError::new(place, reason)
    }
}

/// The places to look for values in.
pub(super) struct Sources<'a> {
    flags: &'a Lookup<'a>,
    environment: &'a Lookup<'a>,
    file: Option<ConfigFile>,
}

impl<'a> Sources<'a> {
    /// Reads the TOML file, if a flag or the environment names one.
    ///
    /// # Errors
    /// A file that cannot be read or that holds something else than settings.
    pub(super) fn open(
        flags: &'a Lookup<'a>,
        environment: &'a Lookup<'a>,
    ) -> Result<Self, ConfigError> {
        let named = flags(CONFIG_FILE.name).map(|path| (path, Origin::Flag)).or_else(|| {
            environment(&CONFIG_FILE.variable()).map(|path| (path, Origin::Environment))
        });
        let file = match named {
            None => None,
            Some((path, origin)) => {
                let place = origin.describe(&CONFIG_FILE);
                if path.is_empty() {
                    return Err(ConfigError::new(place, "is empty; expected a TOML file's path"));
                }
                Some(ConfigFile::read(Path::new(&path), &place)?)
            }
        };
        Ok(Self { flags, environment, file })
    }

    /// Finds a setting's value and parses it.
    ///
    /// # Errors
    /// As [`Self::find`], and what `parse` refuses.
    pub(super) fn read<T>(
        &self,
        setting: &'static Setting,
        parse: impl FnOnce(&str) -> Result<T, InvalidValue>,
    ) -> Result<T, ConfigError> {
        let found = self.find(setting)?;
        parse(&found.text).map_err(|invalid| found.refused(&invalid.to_string()))
    }

    /// Finds a setting's value in the first place that has one.
    ///
    /// # Errors
    /// A value that is empty or not UTF-8, and a secret that is given twice in the environment or
    /// whose file cannot be read.
    pub(super) fn find(&self, setting: &'static Setting) -> Result<Found, ConfigError> {
        let (origin, value) = self.locate(setting)?;
        let place = || origin.describe(setting);
        let text = match (&origin, value.into_string()) {
            (Origin::SecretFile(path), _) => read_secret(path)
                .map_err(|error| ConfigError::new(place(), format!("cannot read: {error}")))?,
            (_, Ok(text)) => text,
            (_, Err(_)) => return Err(ConfigError::new(place(), "is not valid UTF-8")),
        };
        // Templates leave empty values behind where a variable is missing. Taking them for "use
        // the default" would hide that, and no setting has a use for an empty value.
        if text.is_empty() {
            let default = setting.default;
            let reason = format!("is empty; leave it out to get the default {default}");
            return Err(ConfigError::new(place(), reason));
        }
        Ok(Found { setting, text, origin })
    }

    /// Says where a setting's value comes from, without reading a secret's file: it may be a pipe,
    /// which can be read but once.
    ///
    /// # Errors
    /// A secret that is given twice in the environment.
    pub(super) fn origin(&self, setting: &Setting) -> Result<Origin, ConfigError> {
        self.locate(setting).map(|(origin, _)| origin)
    }

    /// Finds what the first place that speaks of a setting says: the value or, for a secret's
    /// file, its path.
    fn locate(&self, setting: &Setting) -> Result<(Origin, OsString), ConfigError> {
        if let Some(value) = (self.flags)(setting.name) {
            return Ok((Origin::Flag, value));
        }
        let direct = (self.environment)(&setting.variable());
        let by_file = setting.file_variable().and_then(|name| (self.environment)(&name));
        match (direct, by_file) {
            (Some(value), None) => Ok((Origin::Environment, value)),
            (None, Some(path)) => Ok((Origin::SecretFile(PathBuf::from(&path)), path)),
            (Some(_), Some(_)) => {
                let reason = format!("is set together with {}_FILE; keep one", setting.variable());
                Err(ConfigError::new(Origin::Environment.describe(setting), reason))
            }
            (None, None) => Ok(self.in_file_or_default(setting)),
        }
    }

    fn in_file_or_default(&self, setting: &Setting) -> (Origin, OsString) {
        let in_file = self.file.as_ref().and_then(|file| {
            let line = file.get(setting)?;
            let origin = Origin::ConfigFile { path: file.path().to_owned(), line: line.number };
            Some((origin, OsString::from(&line.text)))
        });
        in_file.unwrap_or_else(|| (Origin::Default, setting.default.into()))
    }
}

/// Reads a secret from its file, without the newline that editors and `echo` end a file with.
fn read_secret(path: &Path) -> io::Result<String> {
    let content = text_file::read(path)?;
    let line = content.strip_suffix('\n').unwrap_or(&content);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}
