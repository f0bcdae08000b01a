//! Where values come from: flag, then environment, then TOML file, then default.
//!
//! Flags and environment are passed in as look-ups, so nothing here touches the process. This
//! module knows that a value is empty only where that is the default, but not what a value means.

use std::ffi::OsString;
use std::path::Path;

use toml::Value;

use super::error::{ConfigError, shown_path, shown_value};
use super::file::ConfigFile;
use super::schedules::ScheduleTable;
use super::setting::{CONFIG_FILE, Setting};
use super::text_file;
use super::value::{InvalidValue, SettingValue};

/// Looks up an environment variable by its name, or a flag by its [`Setting::name`].
pub type Lookup<'a> = dyn Fn(&str) -> Option<OsString> + 'a;

/// The origin of a value that no source gives.
pub(super) const DEFAULT: &str = "default";

/// One setting in force.
#[derive(Clone, Debug)]
pub struct Effective {
    /// The setting.
    pub setting: &'static Setting,
    /// Its value as it would be written in the TOML file, with a password masked.
    pub value: Value,
    /// Where the value came from, in the spelling used there: `flag --ttl`.
    pub origin: String,
}

/// A value that was found and is not yet parsed.
#[derive(Debug)]
pub(super) struct Found {
    setting: &'static Setting,
    pub(super) text: String,
    pub(super) origin: String,
}

impl Found {
    /// Whether no source gives the value.
    pub(super) fn is_default(&self) -> bool {
        self.origin == DEFAULT
    }

    /// Makes the error for this value, which repeats the value unless it is a secret.
    pub(super) fn refused(&self, reason: &str) -> ConfigError {
        let Self { setting, text, origin } = self;
        let of = if self.is_default() { format!(" of {}", setting.name) } else { String::new() };
        let value =
            if setting.is_secret() { String::new() } else { format!(" {}", shown_value(text)) };
        ConfigError::new(format!("{origin}{of}{value}"), reason)
    }
}

/// The places where values are looked for, and the settings that were read from them.
pub(super) struct Sources<'a> {
    flags: &'a Lookup<'a>,
    environment: &'a Lookup<'a>,
    file: Option<ConfigFile>,
    effective: Vec<Effective>,
}

impl<'a> Sources<'a> {
    /// Takes a file that has been read.
    #[cfg(feature = "fuzzing")]
    pub(super) fn of_file(file: ConfigFile) -> Self {
        Self { flags: &|_| None, environment: &|_| None, file: Some(file), effective: Vec::new() }
    }

    /// Takes flags and environment alone.
    pub(super) fn without_file(flags: &'a Lookup<'a>, environment: &'a Lookup<'a>) -> Self {
        Self { flags, environment, file: None, effective: Vec::new() }
    }

    /// Reads the TOML file of `known` settings, if a flag or the environment names one.
    ///
    /// # Errors
    /// A file that cannot be read or holds anything but settings.
    pub(super) fn open(
        flags: &'a Lookup<'a>,
        environment: &'a Lookup<'a>,
        known: &[&'static Setting],
    ) -> Result<Self, ConfigError> {
        let sources = Self::without_file(flags, environment);
        let (place, path) = sources.locate(&CONFIG_FILE)?;
        if place == DEFAULT {
            return Ok(sources);
        }
        if path.is_empty() {
            return Err(ConfigError::new(place, "is empty; expected a TOML file's path"));
        }
        Ok(Self { file: Some(ConfigFile::read(Path::new(&path), &place, known)?), ..sources })
    }

    /// Finds a setting's value, parses it and notes it as in force.
    ///
    /// # Errors
    /// As [`Self::find`], and what `parse` refuses.
    pub(super) fn read<T: SettingValue>(
        &mut self,
        setting: &'static Setting,
        parse: impl FnOnce(&str) -> Result<T, InvalidValue>,
    ) -> Result<T, ConfigError> {
        let found = self.find(setting)?;
        let value = parse(&found.text).map_err(|invalid| found.refused(&invalid.to_string()))?;
        self.effective.push(Effective { setting, value: value.to_toml(), origin: found.origin });
        Ok(value)
    }

    /// Returns the schedules of the TOML file.
    pub(super) fn schedules(&self) -> &[ScheduleTable] {
        self.file.as_ref().map_or(&[], |file| &file.schedules)
    }

    /// Notes another value of a setting that was read, and why it is in force.
    pub(super) fn change(&mut self, setting: &Setting, value: &impl SettingValue, why: &str) {
        let name = setting.name;
        let effective = self.effective.iter_mut().find(|effective| effective.setting.name == name);
        if let Some(effective) = effective {
            (effective.value, effective.origin) = (value.to_toml(), why.to_owned());
        }
    }

    /// Returns the environment.
    pub(super) fn environment(&self) -> &'a Lookup<'a> {
        self.environment
    }

    /// Returns where a setting that was read came from.
    pub(super) fn origin(&self, setting: &Setting) -> String {
        let mut read = self.effective.iter();
        let effective = read.find(|effective| effective.setting.name == setting.name);
        effective.map_or(DEFAULT, |effective| effective.origin.as_str()).to_owned()
    }

    /// Returns the settings that were read.
    pub(super) fn into_effective(self) -> Vec<Effective> {
        self.effective
    }

    /// Finds a setting's value. The file of a secret may be a pipe, so a secret is found only once.
    ///
    /// # Errors
    /// A value that is empty or not UTF-8, and a secret that the environment gives twice or whose
    /// file cannot be read.
    pub(super) fn find(&self, setting: &'static Setting) -> Result<Found, ConfigError> {
        let (origin, value) = self.locate(setting)?;
        let Ok(text) = value.into_string() else {
            return Err(ConfigError::new(origin, "is not valid UTF-8"));
        };
        // A template whose variable is missing leaves an empty value. Using the default instead
        // would hide that, unless the default is empty too.
        if text.is_empty() && !setting.default.is_empty() {
            let default = setting.default;
            let reason = format!("is empty; leave it out to get the default {default}");
            return Err(ConfigError::new(origin, reason));
        }
        Ok(Found { setting, text, origin })
    }

    /// Returns the origin and the value of the first source that has one.
    fn locate(&self, setting: &Setting) -> Result<(String, OsString), ConfigError> {
        if let Some(value) = (self.flags)(setting.name) {
            return Ok((format!("flag --{}", setting.long()), value));
        }
        let variable = format!("environment {}", setting.variable());
        let direct = (self.environment)(&setting.variable());
        let by_file = setting.file_variable().and_then(|name| (self.environment)(&name));
        match (direct, by_file) {
            (Some(value), None) => Ok((variable, value)),
            (None, Some(path)) => read_secret(&variable, Path::new(&path)),
            (Some(_), Some(_)) => {
                let reason = format!("is set together with {}_FILE; keep one", setting.variable());
                Err(ConfigError::new(variable, reason))
            }
            (None, None) => {
                let in_file = self.file.as_ref().and_then(|file| file.get(setting));
                Ok(in_file.unwrap_or_else(|| (DEFAULT.to_owned(), setting.default.into())))
            }
        }
    }
}

/// Reads a secret from its file, without the newline that editors and `echo` add.
fn read_secret(variable: &str, path: &Path) -> Result<(String, OsString), ConfigError> {
    let origin = format!("{variable}_FILE, file {}", shown_path(path));
    match text_file::read(path) {
        Ok(content) => {
            let line = content.strip_suffix('\n').unwrap_or(&content);
            Ok((origin, line.strip_suffix('\r').unwrap_or(line).into()))
        }
        Err(error) => Err(ConfigError::new(origin, format!("cannot read: {error}"))),
    }
}
