//! The `[[schedule]]` tables of the TOML file: settings for entries whose reporters have another
//! rhythm.
//!
//! Keys, TOML types and values are checked while the file is read, since no other source has them.

use std::path::Path;
use std::time::Duration;

use toml::Value;
use toml::de::{DeTable, DeValue};

use super::duration;
use super::error::{ConfigError, shown_value};
use super::toml_text::{check_keys, line_number, patterns, place, type_name};
use super::value::InvalidValue;
use crate::domain::{Lifetime, Names, Policy, Schedule};

/// The key of the tables.
pub(super) const KEY: &str = "schedule";

const KEYS: [&str; 4] = ["repo", "server", "stale_after", "ttl"];

/// The most tables: a start compares every entry with each.
const MOST: usize = 1000;

/// A table that has been read.
#[derive(Clone, Debug)]
pub struct ScheduleTable {
    /// What it says.
    pub schedule: Schedule,
    /// Where it is.
    place: String,
    /// Its keys and values as they are in the file.
    values: Vec<(&'static str, Value)>,
}

/// Reads all tables of a file.
///
/// # Errors
/// The first table that is not accepted.
pub(super) fn read(
    path: &Path,
    content: &str,
    line: usize,
    value: &DeValue<'_>,
) -> Result<Vec<ScheduleTable>, ConfigError> {
    let no_tables = |value| {
        let reason = format!("expected tables, each under [[schedule]], not {}", type_name(value));
        ConfigError::new(format!("{} key {KEY}", place(path, line)), reason)
    };
    let tables = value.as_array().ok_or_else(|| no_tables(value))?;
    let mut read = Vec::new();
    for (index, table) in tables.iter().enumerate() {
        let line = line_number(content, table.span().start);
        let place = format!("{} {KEY} {}", place(path, line), index + 1);
        let table = table.get_ref().as_table().ok_or_else(|| no_tables(table.get_ref()))?;
        if index == MOST {
            return Err(ConfigError::new(place, format!("expected at most {MOST} schedules")));
        }
        let parsed = parse(table).map_err(|reason| ConfigError::new(&place, reason))?;
        read.push(ScheduleTable { schedule: parsed.0, place, values: parsed.1 });
    }
    Ok(read)
}

type Parsed = (Schedule, Vec<(&'static str, Value)>);

fn parse(table: &DeTable<'_>) -> Result<Parsed, String> {
    check_keys(table, &KEYS)?;
    let mut values = Vec::new();
    let mut names = |key| {
        let Some(value) = table.get(key) else { return Ok(Names::Any) };
        let (names, value) = patterns(value.get_ref()).map_err(|why| format!("{key} {why}"))?;
        values.push((key, value));
        Ok::<_, String>(names)
    };
    let (repo, server) = (names("repo")?, names("server")?);
    let mut span = |key| {
        let Some(value) = table.get(key) else { return Ok(None) };
        let (span, value) = span(value.get_ref()).map_err(|why| format!("{key} {why}"))?;
        values.push((key, value));
        Ok::<_, String>(Some(span))
    };
    let (stale_after, ttl) = (span("stale_after")?, span("ttl")?);
    match (stale_after, ttl) {
        (None, None) => Err("expected stale_after, ttl or both".to_owned()),
        (Some(stale_after), Some(ttl)) if !ttl.is_zero() && ttl <= stale_after => {
            let (ttl, stale_after) = (duration::format(ttl), duration::format(stale_after));
            Err(format!(
                "ttl \"{ttl}\": ttl must be above stale_after, which is {stale_after}; 0 turns \
                 either off"
            ))
        }
        (stale_after, ttl) => Ok((Schedule { repo, server, stale_after, ttl }, values)),
    }
}

/// Reads a duration.
fn span(value: &DeValue<'_>) -> Result<(Duration, Value), String> {
    let text = match value {
        DeValue::String(text) => text.as_ref().to_owned(),
        // The only number that is a duration is 0; the parser of durations checks that.
        DeValue::Integer(number) => number.to_string(),
        other => {
            let kind = type_name(other);
            return Err(format!(
                "expected a duration in quotes, such as \"30h\", or 0, not {kind}"
            ));
        }
    };
    let refused = |invalid: InvalidValue| format!("{}: {invalid}", shown_value(&text));
    let span = duration::parse(&text).map_err(refused)?;
    Ok((span, duration::format(span).into()))
}

impl ScheduleTable {
    /// Writes the table as TOML, with its place and its effect in a comment.
    pub(super) fn to_toml(&self, policy: &Policy) -> String {
        let Self { schedule, place, values } = self;
        let Lifetime { stale_after, ttl } = policy.lifetime_by(schedule);
        let or_never = |span: Option<Duration>, verb| match span {
            None => format!("never {verb}"),
            Some(span) => format!("{verb} after {}", duration::format(span)),
        };
        let effect = format!("{}, {}", or_never(stale_after, "stale"), or_never(ttl, "expired"));
        let lines = values.iter().map(|(key, value)| format!("{key} = {value}\n"));
        format!("\n[[{KEY}]]  # {place}: {effect}\n{}", lines.collect::<String>())
    }
}
