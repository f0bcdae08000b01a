//! The file of tokens: TOML with a `[[token]]` table for each.
//!
//! No error shows a value of it: somebody may have written a token where its digest belongs.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use xxhash_rust::xxh3::xxh3_128;

use super::credential::{Digest, TokenId};
use super::rights::{Rights, Scope};
use super::token::Token;
use super::tokens::Tokens;
use crate::config::toml_text::{self, check_keys, line_number, patterns, place, type_name};
use crate::config::{ConfigError, text_file};
use crate::domain::{ReportedTime, Timestamp};

/// The key of the tables.
const KEY: &str = "token";
const KEYS: [&str; 7] = ["id", "sha256", "note", "expires", "write", "delete", "read"];
const SCOPE_KEYS: [&str; 2] = ["repo", "server"];

/// The most tokens of a file.
const MOST: usize = 10_000;

/// A file of tokens, and how it was when it was read last.
#[derive(Debug)]
pub struct TokensFile {
    path: PathBuf,
    last: Option<Result<u128, ConfigError>>,
}

impl TokensFile {
    /// Takes a file that has not been read.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, last: None }
    }

    /// Reads the file; `None` if it is as it was when it was read last.
    ///
    /// # Errors
    /// A file that cannot be read, and the first mistake in it.
    pub fn read(&mut self) -> Option<Result<Tokens, ConfigError>> {
        let Self { path, last } = self;
        let content = text_file::read(path).map_err(|error| {
            ConfigError::new(place_of_file(path), format!("cannot read: {error}"))
        });
        let fingerprint = content.as_ref().map(|content| xxh3_128(content.as_bytes()));
        let now = fingerprint.map_err(ConfigError::clone);
        if last.as_ref() == Some(&now) {
            return None;
        }
        *last = Some(now);
        Some(content.and_then(|content| Tokens::parse(path, &content)))
    }
}

impl Tokens {
    /// Reads the content of a file of tokens; `path` is for errors only.
    ///
    /// # Errors
    /// The first mistake.
    pub fn parse(path: &Path, content: &str) -> Result<Self, ConfigError> {
        let file = toml_text::parse(path, content)?;
        let refused = |reason| ConfigError::new(place_of_file(path), reason);
        check_keys(&file, &[KEY]).map_err(refused)?;
        let mut tokens = Self::default();
        let Some(tables) = file.get(KEY) else { return Ok(tokens) };
        let no_tables = |value: &DeValue<'_>| {
            let found = type_name(value);
            refused(format!("{KEY}: expected tables, each under [[{KEY}]], not {found}"))
        };
        let tables = tables.get_ref().as_array().ok_or_else(|| no_tables(tables.get_ref()))?;
        if tables.len() > MOST {
            return Err(refused(format!("expected at most {MOST} tokens")));
        }
        for (table, number) in tables.iter().zip(1..) {
            let line = line_number(content, table.span().start);
            let place = format!("{} {KEY} {number}", place(path, line));
            let table = table.get_ref().as_table().ok_or_else(|| no_tables(table.get_ref()))?;
            let token = token(table).map_err(|reason| ConfigError::new(&place, reason))?;
            if let Some(earlier) = tokens.add(token) {
                let reason = format!("there is another token of the id {}", earlier.id);
                return Err(ConfigError::new(place, reason));
            }
        }
        Ok(tokens)
    }
}

fn place_of_file(path: &Path) -> String {
    place(path, 1)
}

fn token(table: &DeTable<'_>) -> Result<Token, String> {
    check_keys(table, &KEYS)?;
    let id = text(table, "id")?.ok_or("id is missing")?;
    let id = TokenId::parse(id).ok_or(format!("id must be {}", TokenId::ACCEPTED))?;
    let digest = text(table, "sha256")?.ok_or("sha256 is missing")?;
    let digest = Digest::from_hex(digest)
        .ok_or("sha256 must be the 64 hexadecimal digits that `token new` prints")?;
    let note = text(table, "note")?.map(str::to_owned);
    let expires = table.get("expires").map(|value| moment(value.get_ref())).transpose()?;
    let read = match table.get("read").map(Spanned::get_ref) {
        None => false,
        Some(value) => value.as_bool().ok_or_else(|| {
            format!("read: expected true or false without quotes, not {}", type_name(value))
        })?,
    };
    let rights = Rights { write: scopes(table, "write")?, delete: scopes(table, "delete")?, read };
    Ok(Token { id, digest, note, expires, rights })
}

fn text<'a>(table: &'a DeTable<'_>, key: &str) -> Result<Option<&'a str>, String> {
    let Some(value) = table.get(key) else { return Ok(None) };
    let value = value.get_ref();
    let text = value.as_str();
    text.map(Some).ok_or_else(|| format!("{key}: expected a string, not {}", type_name(value)))
}

/// Reads a moment: a time with a zone, or a date, whose midnight in UTC counts.
fn moment(value: &DeValue<'_>) -> Result<Timestamp, String> {
    let text = match value {
        DeValue::Datetime(moment) => moment.to_string(),
        DeValue::String(text) => text.as_ref().to_owned(),
        other => return Err(format!("expires: expected a time, not {}", type_name(other))),
    };
    let read = ReportedTime::parse(&text);
    let read = read.or_else(|_| ReportedTime::parse(&format!("{text}T00:00:00Z")));
    read.map(ReportedTime::to_the_millisecond).map_err(|_| {
        "expires must be a time with a zone, such as 2027-04-21T10:32:15Z, or a date".to_owned()
    })
}

/// Reads what a right covers: a table, or an array of them.
fn scopes(table: &DeTable<'_>, right: &str) -> Result<Vec<Scope>, String> {
    let scope = |value: &DeValue<'_>| {
        let table = value.as_table().ok_or_else(|| {
            let found = type_name(value);
            format!("{right}: expected {{ repo = \"...\", server = \"...\" }}, not {found}")
        })?;
        scope(table).map_err(|reason| format!("{right}: {reason}"))
    };
    match table.get(right).map(Spanned::get_ref) {
        None => Ok(Vec::new()),
        Some(DeValue::Array(array)) => array.iter().map(|value| scope(value.get_ref())).collect(),
        Some(value) => Ok(vec![scope(value)?]),
    }
}

/// Reads the pairs that a right covers. Nothing is covered by leaving something out.
fn scope(table: &DeTable<'_>) -> Result<Scope, String> {
    check_keys(table, &SCOPE_KEYS)?;
    let names = |key| {
        let value = table.get(key).ok_or(format!("{key} is missing; \"*\" is every name"))?;
        let (names, _) = patterns(value.get_ref()).map_err(|reason| format!("{key} {reason}"))?;
        Ok::<_, String>(names)
    };
    Ok(Scope { repo: names("repo")?, server: names("server")? })
}
