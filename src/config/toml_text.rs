//! What files in TOML share: their syntax, the number of a line, and the words of an error.
//!
//! This module must not know which keys a file has.

use std::path::Path;

use thiserror::Error;
use toml::Value;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, shown_path, shown_value};
use crate::domain::{Names, list_elements};

/// Parses a file. The error names its first mistake: the others often follow from it.
pub(crate) fn parse<'a>(path: &Path, content: &'a str) -> Result<DeTable<'a>, ConfigError> {
    let (table, mistakes) = DeTable::parse_recoverable(content);
    let offset = |mistake: &toml::de::Error| mistake.span().map_or(0, |span| span.start);
    match mistakes.iter().min_by_key(|mistake| offset(mistake)) {
        None => Ok(table.into_inner()),
        Some(mistake) => {
            let line = line_number(content, offset(mistake));
            let reason = format!("not TOML: {}", mistake.message());
            Err(ConfigError::new(place(path, line), reason))
        }
    }
}

/// Names a line of a file.
pub(crate) fn place(path: &Path, line: usize) -> String {
    format!("{} line {line}", shown_path(path))
}

/// Returns the number of the line, from 1, that has the byte at `offset`.
pub(crate) fn line_number(content: &str, offset: usize) -> usize {
    1 + content.bytes().take(offset).filter(|&byte| byte == b'\n').count()
}

/// Refuses a table with a key that is not among the known ones.
pub(crate) fn check_keys(table: &DeTable<'_>, known: &[&'static str]) -> Result<(), String> {
    let mut keys = table.keys().map(|key| &**key.get_ref());
    keys.find(|key| !known.contains(key)).map_or(Ok(()), |key| Err(unknown_key(key, known)))
}

/// Says that a key is not known, and which ones are.
pub(crate) fn unknown_key(key: &str, known: &[&'static str]) -> String {
    let hint = nearest(key, known).map(|name| format!(" (did you mean {name}?)"));
    let (key, hint, known) = (shown_value(key), hint.unwrap_or_default(), known.join(", "));
    format!("unknown key {key}{hint}; known keys: {known}")
}

pub(crate) fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// Returns the name that at most two typing mistakes turn into `key`.
pub(super) fn nearest(key: &str, names: &[&'static str]) -> Option<&'static str> {
    const MOST_EDITS: usize = 2;
    let key: String = key.to_lowercase().replace('-', "_").chars().take(64).collect();
    names
        .iter()
        .map(|name| (strsim::levenshtein(&key, name), *name))
        .min()
        .filter(|(edits, _)| *edits <= MOST_EDITS)
        .map(|(_, name)| name)
}

/// Why patterns are not accepted.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub(crate) enum BadPattern {
    /// It is neither a text nor an array of texts, but this.
    #[error("expected a string in quotes or an array of them, not {0}")]
    NoText(&'static str),
    #[error("is empty; \"*\" matches every name")]
    Empty,
    /// This one matches no name.
    #[error("{}: {}", shown_value(.0), Self::NO_NAME)]
    NoName(String),
}

impl BadPattern {
    pub(crate) const NO_NAME: &str = "no name has control characters, or white space at either end";
}

/// Reads patterns as filters have them: one text, or an array of texts.
pub(crate) fn patterns(value: &DeValue<'_>) -> Result<(Names, Value), BadPattern> {
    let texts = pattern_texts(value)?;
    Ok((Names::parse(texts.iter().map(String::as_str)), as_written(texts)))
}

/// Reads the texts of patterns: one, or an array of them.
pub(crate) fn pattern_texts(value: &DeValue<'_>) -> Result<Vec<String>, BadPattern> {
    let expected = |value: &DeValue<'_>| BadPattern::NoText(type_name(value));
    let texts: Vec<String> = match value {
        DeValue::String(text) => vec![text.as_ref().to_owned()],
        DeValue::Array(texts) => {
            let text = |value: &DeValue<'_>| {
                value.as_str().map(str::to_owned).ok_or_else(|| expected(value))
            };
            texts.iter().map(|value| text(value.get_ref())).collect::<Result<_, _>>()?
        }
        other => return Err(expected(other)),
    };
    if texts.iter().all(|text| list_elements(text).is_empty()) {
        return Err(BadPattern::Empty);
    }
    for text in &texts {
        let is_no_name =
            |element: &&str| element.trim() != *element || element.contains(char::is_control);
        if let Some(element) = list_elements(text).into_iter().find(is_no_name) {
            return Err(BadPattern::NoName(element.to_owned()));
        }
    }
    Ok(texts)
}

/// Writes the texts of patterns as TOML.
pub(crate) fn as_written(texts: Vec<String>) -> Value {
    match <[String; 1]>::try_from(texts) {
        Ok([text]) => text.into(),
        Err(texts) => texts.into(),
    }
}
