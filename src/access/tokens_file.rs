//! The file of tokens: TOML with a `[[token]]` table for each.
//!
//! No error shows a value of it, nor a long key: somebody may have written a secret there.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::credential::{Digest, TokenId};
use super::redacted::{redacted, token_in};
use super::rights::{Rights, Scope, missing, names};
use super::token::Token;
use super::tokens::Tokens;
use crate::config::toml_text::{self, line_number, place, type_name, unknown_key};
use crate::config::{ConfigError, Files, WatchedFiles, shown_value};
use crate::domain::{ReportedTime, Timestamp};

/// The key of the tables.
const KEY: &str = "token";
const KEYS: [&str; 8] = ["id", "sha256", "note", "expires", "write", "delete", "read", "backup"];
const SCOPE_KEYS: [&str; 2] = ["repo", "server"];

/// The most tokens of a file.
const MOST: usize = 10_000;
/// The longest unknown key that an error shows. A secret is longer.
const LONGEST_SHOWN_KEY: usize = 20;

/// A file of tokens, and how it was when it was read last.
#[derive(Debug)]
pub struct TokensFile {
    path: PathBuf,
    watched: WatchedFiles<1>,
    /// Whether it had tokens when it was good last.
    had_some: bool,
}

impl TokensFile {
    /// Takes a file that has not been read.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        let place = format!("tokens_file {}", redacted(&shown_value(&path.to_string_lossy())));
        let watched = WatchedFiles::new([(place, path.clone())]);
        Self { path, watched, had_some: false }
    }

    fn parsed(&self, content: &[u8]) -> Result<Tokens, ConfigError> {
        let [place] = self.watched.places();
        let refused = |reason| Err(ConfigError::new(place, reason));
        let Ok(content) = str::from_utf8(content) else {
            return refused("cannot read: it is not valid UTF-8");
        };
        let tokens = Tokens::parse(&self.path, content)?;
        let has_lost_all = self.had_some && tokens.iter().next().is_none();
        if has_lost_all && toml_text::parse(&self.path, content)?.get(KEY).is_none() {
            return refused("it had tokens and has none now: if that is meant, write token = []");
        }
        Ok(tokens)
    }
}

impl Files for TokensFile {
    type Content = Tokens;
    const NAME: &'static str = "The file of tokens";
    const KEPT: &'static str = "the tokens from before stay in force";

    /// A file that has lost all its tokens is bad too.
    fn read(&mut self) -> Option<Result<Tokens, ConfigError>> {
        let content = self.watched.read()?;
        let tokens = content.and_then(|[content]| self.parsed(&content));
        if let Ok(tokens) = &tokens {
            self.had_some = tokens.iter().next().is_some();
        }
        Some(tokens)
    }

    fn forget(&mut self) {
        self.watched.forget();
    }
}

/// What is wrong in a file, and where.
struct Mistake {
    /// The first byte of it.
    at: usize,
    reason: String,
}

impl Mistake {
    fn at(span: Range<usize>, reason: impl Into<String>) -> Self {
        Self { at: span.start, reason: reason.into() }
    }
}

impl Tokens {
    /// Reads the content of a file of tokens; `path` is for errors only.
    ///
    /// # Errors
    /// The first mistake.
    pub fn parse(path: &Path, content: &str) -> Result<Self, ConfigError> {
        let line = |at| redacted(&place(path, line_number(content, at))).into_owned();
        let refused = |Mistake { at, reason }| ConfigError::new(line(at), reason);
        refuse_tokens(content).map_err(refused)?;
        let file = toml_text::parse(path, content)?;
        check_keys(&file, &[KEY]).map_err(refused)?;
        let mut tokens = Self::default();
        let mut digests = BTreeSet::new();
        for (table, number) in tables(&file).map_err(refused)?.iter().zip(1..) {
            let refused = |Mistake { at, reason }| {
                ConfigError::new(format!("{} {KEY} {number}{}", line(at), shown_id(table)), reason)
            };
            let token = token(table).map_err(refused)?;
            let again = |what: &str| {
                let reason =
                    format!("another token has the same {what}, which belongs to one only");
                refused(Mistake::at(table.span(), reason))
            };
            if !digests.insert(token.digest.to_string()) {
                return Err(again("sha256"));
            }
            if tokens.add(token).is_some() {
                return Err(again("id"));
            }
        }
        Ok(tokens)
    }
}

/// Refuses a file with a token in it, even in a comment: those who can read the file could use it.
fn refuse_tokens(content: &str) -> Result<(), Mistake> {
    let Some(at) = token_in(content) else { return Ok(()) };
    let reason = "this is a token, and the file has only the sha256 of it: take it out, and replace \
                  that token, since others may have read it";
    Err(Mistake { at, reason: reason.to_owned() })
}

/// Returns the tables of all tokens.
fn tables<'a>(file: &'a DeTable<'_>) -> Result<&'a [Spanned<DeValue<'a>>], Mistake> {
    let Some(tables) = file.get(KEY) else { return Ok(&[]) };
    let array = tables.get_ref().as_array().ok_or_else(|| no_table(tables))?;
    if array.len() > MOST {
        return Err(Mistake::at(tables.span(), format!("expected at most {MOST} tokens")));
    }
    Ok(array)
}

fn no_table(value: &Spanned<DeValue<'_>>) -> Mistake {
    let found = type_name(value.get_ref());
    let reason = format!("{KEY}: expected tables, each under [[{KEY}]], not {found}");
    Mistake::at(value.span(), reason)
}

/// Names the token of a table, if its id can be read.
fn shown_id(table: &Spanned<DeValue<'_>>) -> String {
    let id = table.get_ref().as_table().and_then(|table| table.get("id"));
    let id = id.and_then(|id| TokenId::parse(id.get_ref().as_str()?));
    id.map(|id| format!(" ({id})")).unwrap_or_default()
}

/// Refuses a table with a key that is not among the known ones.
fn check_keys(table: &DeTable<'_>, known: &[&'static str]) -> Result<(), Mistake> {
    let Some(key) = table.keys().find(|key| !known.contains(&&**key.get_ref())) else {
        return Ok(());
    };
    let name = key.get_ref();
    let reason = if name.len() > LONGEST_SHOWN_KEY {
        format!("a key is not known; known keys: {}", known.join(", "))
    } else {
        unknown_key(name, known)
    };
    Err(Mistake::at(key.span(), reason))
}

fn token(value: &Spanned<DeValue<'_>>) -> Result<Token, Mistake> {
    let table = value.get_ref().as_table().ok_or_else(|| no_table(value))?;
    check_keys(table, &KEYS)?;
    let required = |key| {
        let text = text(table, key)?;
        text.ok_or_else(|| Mistake::at(value.span(), format!("{key} is missing")))
    };
    let id =
        required("id")?.parsed(TokenId::parse, || format!("id must be {}", TokenId::ACCEPTED))?;
    let digest = required("sha256")?.parsed(Digest::from_hex, || {
        "sha256 must be the 64 hexadecimal digits that `token new` prints".to_owned()
    })?;
    let note = text(table, "note")?.map(|note| note.text.to_owned());
    let expires = table.get("expires").map(expiry).transpose()?;
    let rights = Rights {
        write: scopes(table, "write")?,
        delete: scopes(table, "delete")?,
        read: boolean(table, "read")?,
        backup: boolean(table, "backup")?,
    };
    Ok(Token { id, digest, note, expires, rights, uses: Arc::default() })
}

/// A text of the file.
struct Text<'a> {
    text: &'a str,
    span: Range<usize>,
}

impl Text<'_> {
    fn parsed<T>(
        self,
        parse: impl FnOnce(&str) -> Option<T>,
        accepted: impl FnOnce() -> String,
    ) -> Result<T, Mistake> {
        parse(self.text).ok_or_else(|| Mistake::at(self.span, accepted()))
    }
}

fn text<'a>(table: &'a DeTable<'_>, key: &str) -> Result<Option<Text<'a>>, Mistake> {
    let Some(value) = table.get(key) else { return Ok(None) };
    let wrong = || {
        let reason = format!("{key}: expected a string, not {}", type_name(value.get_ref()));
        Mistake::at(value.span(), reason)
    };
    let text = value.get_ref().as_str().ok_or_else(wrong)?;
    Ok(Some(Text { text, span: value.span() }))
}

/// Reads a switch, which is off if it is left out.
fn boolean(table: &DeTable<'_>, key: &str) -> Result<bool, Mistake> {
    let Some(value) = table.get(key) else { return Ok(false) };
    value.get_ref().as_bool().ok_or_else(|| {
        let found = type_name(value.get_ref());
        let reason = format!("{key}: expected true or false without quotes, not {found}");
        Mistake::at(value.span(), reason)
    })
}

fn expiry(value: &Spanned<DeValue<'_>>) -> Result<Timestamp, Mistake> {
    let text = match value.get_ref() {
        DeValue::Datetime(moment) => moment.to_string(),
        DeValue::String(text) => text.as_ref().to_owned(),
        other => {
            let reason = format!("expires: expected a time, not {}", type_name(other));
            return Err(Mistake::at(value.span(), reason));
        }
    };
    moment(&text).ok_or_else(|| {
        let reason = "expires must be a time with a zone, such as 2027-04-21T10:32:15Z, or a date";
        Mistake::at(value.span(), reason)
    })
}

/// Reads a moment: a time with a zone, or a date, whose midnight in UTC counts.
#[must_use]
pub fn moment(text: &str) -> Option<Timestamp> {
    let read = ReportedTime::parse(text);
    let read = read.or_else(|_| ReportedTime::parse(&format!("{text}T00:00:00Z")));
    read.map(ReportedTime::to_the_millisecond).ok()
}

/// Reads what a right covers: a table, or an array of them.
fn scopes(table: &DeTable<'_>, right: &str) -> Result<Vec<Scope>, Mistake> {
    let Some(value) = table.get(right) else { return Ok(Vec::new()) };
    match value.get_ref() {
        DeValue::Array(array) => array.iter().map(|value| scope(value, right)).collect(),
        _ => Ok(vec![scope(value, right)?]),
    }
}

/// Reads the pairs that a right covers.
fn scope(value: &Spanned<DeValue<'_>>, right: &str) -> Result<Scope, Mistake> {
    let table = value.get_ref().as_table().ok_or_else(|| {
        let found = type_name(value.get_ref());
        let reason =
            format!("{right}: expected {{ repo = \"...\", server = \"...\" }}, not {found}");
        Mistake::at(value.span(), reason)
    })?;
    let of_right = |Mistake { at, reason }| Mistake { at, reason: format!("{right}: {reason}") };
    check_keys(table, &SCOPE_KEYS).map_err(of_right)?;
    let of = |key| {
        let patterns = match table.get(key) {
            None => Err(Mistake::at(value.span(), missing(key))),
            Some(value) => {
                names(key, value.get_ref()).map_err(|reason| Mistake::at(value.span(), reason))
            }
        };
        patterns.map_err(of_right)
    };
    Ok(Scope::new(of("repo")?, of("server")?))
}
