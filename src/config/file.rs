//! The TOML file with settings.
//!
//! Keys and TOML types are checked in the whole file, even where a flag or the environment
//! overrides a key. This module must not know what a value means.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use toml::de::DeValue;

use super::error::{ConfigError, shown_value};
use super::schedules::{self, ScheduleTable};
use super::setting::Setting;
use super::text_file;
use super::toml_text::{self, line_number, place, type_name, unknown_key};
use super::value::Kind;

/// A file that has been read and has no unknown keys.
#[derive(Debug)]
pub(super) struct ConfigFile {
    path: PathBuf,
    values: BTreeMap<&'static str, Line>,
    pub(super) schedules: Vec<ScheduleTable>,
}

/// One value of the file.
#[derive(Debug)]
struct Line {
    /// The number of the key's line, from 1.
    number: usize,
    /// The value as it would be written on the command line.
    text: String,
}

impl ConfigFile {
    /// Reads a file with some of the `known` settings; `named_by` is the flag or variable that names
    /// it.
    ///
    /// # Errors
    /// A file that cannot be read, is not TOML in UTF-8, or holds an unknown key or a value of a
    /// wrong type.
    pub(super) fn read(
        path: &Path,
        named_by: &str,
        known: &[&'static Setting],
    ) -> Result<Self, ConfigError> {
        let content = text_file::read(path).map_err(|error| {
            let place = format!("{named_by} {}", shown_value(&path.to_string_lossy()));
            ConfigError::new(place, format!("cannot read: {error}"))
        })?;
        Self::parse(path, &content, known)
    }

    /// Reads the content of a file; `path` is for errors only.
    pub(super) fn parse(
        path: &Path,
        content: &str,
        known: &[&'static Setting],
    ) -> Result<Self, ConfigError> {
        let table = toml_text::parse(path, content)?;
        let mut values = BTreeMap::new();
        let mut schedules = Vec::new();
        for (key, value) in &table {
            let number = line_number(content, key.span().start);
            if key.get_ref() == schedules::KEY {
                schedules = schedules::read(path, content, number, value.get_ref())?;
                continue;
            }
            let setting = find(key.get_ref(), known)
                .map_err(|reason| ConfigError::new(place(path, number), reason))?;
            let text = text_of(setting.kind, value.get_ref())
                .map_err(|reason| ConfigError::new(key_place(path, number, setting), reason))?;
            values.insert(setting.name, Line { number, text });
        }
        Ok(Self { path: path.to_owned(), values, schedules })
    }

    /// Returns the origin and the value of a setting.
    pub(super) fn get(&self, setting: &Setting) -> Option<(String, OsString)> {
        let Line { number, text } = self.values.get(setting.name)?;
        Some((key_place(&self.path, *number, setting), text.into()))
    }
}

/// Names the line of a key.
fn key_place(path: &Path, line: usize, setting: &Setting) -> String {
    format!("{} key {}", place(path, line), setting.name)
}

/// Finds the setting of a key, or lists the known keys.
fn find(key: &str, known: &[&'static Setting]) -> Result<&'static Setting, String> {
    if let Some(setting) = known.iter().copied().find(|setting| setting.name == key) {
        return Ok(setting);
    }
    let names = known.iter().map(|setting| setting.name).chain([schedules::KEY]);
    let names: Vec<&'static str> = names.collect();
    Err(unknown_key(key, &names))
}

/// Writes a TOML value as it would be written on the command line.
fn text_of(kind: Kind, value: &DeValue<'_>) -> Result<String, String> {
    let string = || value.as_str().map(str::to_owned);
    let number = || value.as_integer().map(ToString::to_string);
    let list = || {
        let texts = value.as_array()?.iter().map(|value| value.get_ref().as_str());
        Some(texts.collect::<Option<Vec<_>>>()?.join(","))
    };
    let (text, accepted) = match kind {
        Kind::Address | Kind::Url | Kind::Link | Kind::File | Kind::Format => {
            (string(), "a string in quotes")
        }
        Kind::Hosts => (string().or_else(list), "a string in quotes or an array of them"),
        // The only number that is a duration is 0; the parser of durations checks that.
        Kind::Duration => (string().or_else(number), "a duration in quotes, such as \"90s\", or 0"),
        Kind::Number => (number(), "a whole number without quotes"),
        Kind::Switch => (value.as_bool().map(|on| on.to_string()), "true or false without quotes"),
    };
    text.ok_or_else(|| format!("expected {accepted}, not {}", type_name(value)))
}

#[cfg(test)]
mod tests {
    use super::super::settings::SETTINGS;
    use super::*;

    fn parse(content: &str) -> Result<ConfigFile, String> {
        ConfigFile::parse(Path::new("a.toml"), content, SETTINGS).map_err(|error| error.to_string())
    }

    #[test]
    fn every_type_comes_out_as_text_with_its_line() {
        let file = parse(
            "# settings\nttl = 0\nstale_after = '1h'\nmax_entries = 1_000\n\
             allow_anonymous_writes = true\r\nlisten = \"\"\"\n[::1]:80\"\"\"\n",
        )
        .unwrap();
        let values: Vec<(&str, usize, &str)> = file
            .values
            .iter()
            .map(|(name, line)| (*name, line.number, line.text.as_str()))
            .collect();
        assert_eq!(
            values,
            [
                ("allow_anonymous_writes", 5, "true"),
                ("listen", 6, "[::1]:80"),
                ("max_entries", 4, "1000"),
                ("stale_after", 3, "1h"),
                ("ttl", 2, "0"),
            ]
        );
    }

    #[test]
    fn an_empty_file_gives_nothing() {
        for content in ["", "\u{feff}", "# nothing\n"] {
            assert!(parse(content).unwrap().values.is_empty(), "{content:?}");
        }
    }

    #[test]
    fn a_file_that_is_not_settings_is_refused_with_its_line() {
        for (content, message) in [
            ("\nttl = 1h", "a.toml line 2: not TOML: "),
            ("ttl", "a.toml line 1: not TOML: "),
            ("ttl = 0\n\nttl = 0", "a.toml line 3: not TOML: duplicate key"),
            ("ttl = \"a\nb\"", "a.toml line 1: not TOML: "),
            ("ttl = 1.5", "a.toml line 1 key ttl: expected a duration in quotes, such as \"90s\""),
            ("ttl = 2026-01-01", "not a date or time"),
            ("ttl = []", "not an array"),
            ("\n[ttl]\n", "a.toml line 2 key ttl: expected a duration in quotes"),
            ("ttl.x = 1", "not a table"),
            ("workers = '2'", "expected a whole number without quotes, not a string"),
            ("workers = 2.0", "not a number with a fraction"),
            ("listen = 8080", "expected a string in quotes, not a number"),
            ("allow_anonymous_writes = 'true'", "expected true or false without quotes"),
            ("allow_anonymous_writes = 1", "expected true or false without quotes"),
        ] {
            let error = parse(content).unwrap_err();
            assert!(error.contains(message), "{content:?}: {error}");
            assert!(!error.contains('\n'), "{error:?}");
        }
    }

    #[test]
    fn an_unknown_key_is_answered_with_the_known_ones() {
        for (content, message) in [
            ("tll = 0", "unknown key \"tll\" (did you mean ttl?); known keys: listen, "),
            ("stale-after = '1h'", "(did you mean stale_after?)"),
            ("Workers = 1", "(did you mean workers?)"),
            ("[server]\nport = 1", "unknown key \"server\"; known keys"),
            ("\"a\\tb\" = 1", "unknown key \"a\\tb\"; known keys"),
            ("\"a\\nb\" = 1", "unknown key \"...\"; known keys"),
            ("config = 'x'", "unknown key \"config\"; known keys"),
        ] {
            let error = parse(content).unwrap_err();
            assert!(error.starts_with("a.toml line 1: "), "{error}");
            assert!(error.contains(message), "{content}: {error}");
        }
    }
}
