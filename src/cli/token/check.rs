//! `token check`: lists the tokens of the file, and says what one may do and why not.
//!
//! The answers are those of [`Access`], which decides for the server too.

use std::io::{self, Read};
use std::path::PathBuf;

use crate::access::{
    Access, Credential, Holder, Right, Rights, Scope, Token, TokenId, Tokens, TokensFile,
    Unauthorized, redacted,
};
use crate::cli::error::CliError;
use crate::config::{Config, ConfigError, FilePath, Files as _, shown_value, text_file};
use crate::domain::{Key, ReportedTime, Timestamp};

/// The most bytes that are read for a token.
const MOST_BYTES: u64 = 4096;

/// What is to be checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CheckToken {
    pub(super) config: Box<Config>,
    pub(super) source: Option<Source>,
    pub(super) question: Option<Question>,
}

/// Where the token is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Source {
    Input,
    File(PathBuf),
}

/// What the token is to be used for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Question {
    /// The names; to read is everything or nothing.
    pub(super) key: Option<Key>,
    /// The right that decides the verdict.
    pub(super) right: Right,
}

/// The outcome of a check.
pub struct Verdict {
    /// All of it, for people.
    pub text: String,
    /// Whether the token is valid and may do what was asked.
    pub is_allowed: bool,
}

/// Checks the file of tokens, and a token, which `input` may hold.
///
/// # Errors
/// No file of tokens, a mistake in it, or a token that cannot be read.
pub fn check_token(
    check: &CheckToken,
    input: impl Read,
    now: Timestamp,
) -> Result<Verdict, CliError> {
    let CheckToken { config, source, question } = check;
    let path = config.tokens_file.as_ref().map(FilePath::as_path).ok_or_else(|| {
        let reason = "is not set: name the file by --tokens-file, GITOPS_STATUS_TOKENS_FILE or the \
                      config file";
        ConfigError::new("tokens_file", reason)
    })?;
    let read = TokensFile::new(path.to_owned()).read().unwrap_or_else(|| Ok(Tokens::default()));
    let (tokens, name) = (read?, path.display());
    let Some(source) = source else {
        return Ok(Verdict { text: format!("{name} {}", list(&tokens, now)), is_allowed: true });
    };
    let sent = sent(source, input)?;
    let access = Access::new(Rights::without_token(config), Some(tokens.clone()));
    let refused = match access.holder([sent.as_str()], now) {
        Ok(holder) => match holder.token() {
            Some(token) => return Ok(verdict(token, &holder, question.as_ref())),
            None => "It does not begin with gss_, so the server counts it as absent".to_owned(),
        },
        Err(reason) => because(&reason, &sent, &tokens),
    };
    Ok(Verdict { text: format!("{refused}; the tokens are those of {name}.\n"), is_allowed: false })
}

/// Reads a token, without the white space around it.
fn sent(source: &Source, input: impl Read) -> Result<String, CliError> {
    let (place, read) = match source {
        Source::Input => ("flag --token-stdin".to_owned(), read_input(input)),
        Source::File(path) => {
            let shown = shown_value(&path.to_string_lossy());
            (format!("flag --token-file {shown}"), text_file::read(path))
        }
    };
    let text =
        read.map_err(|error| ConfigError::new(place.as_str(), format!("cannot read: {error}")))?;
    match text.trim() {
        "" => Err(ConfigError::new(place, "is empty").into()),
        text => Ok(text.to_owned()),
    }
}

fn read_input(input: impl Read) -> io::Result<String> {
    let mut text = String::new();
    input.take(MOST_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// Says why a token is refused. Its id may be told to those who have the token.
fn because(reason: &Unauthorized, sent: &str, tokens: &Tokens) -> String {
    let expiry =
        |id: &TokenId| tokens.iter().find(|token| token.id == *id).and_then(|token| token.expires);
    match reason {
        Unauthorized::Missing => "There is no token".to_owned(),
        Unauthorized::Malformed => {
            "It is no whole token: that is gss_, an id, _ and 43 characters".to_owned()
        }
        Unauthorized::UnknownId => match Credential::parse(sent) {
            Some(Credential { id, .. }) => format!("No token has its id, {id}"),
            None => "No token has its id".to_owned(),
        },
        Unauthorized::WrongSecret(id) => {
            format!("Its secret is not that of {id}: it may be an older token of that id")
        }
        Unauthorized::Expired(id) => {
            let expires = expiry(id).map(|expires| format!(" on {}", shown_time(expires)));
            format!("{id} has expired{}", expires.unwrap_or_default())
        }
    }
}

/// Says what the holder of a valid token may do.
fn verdict(token: &Token, holder: &Holder, question: Option<&Question>) -> Verdict {
    let read = match (token.rights.read, holder.has(Right::Read)) {
        (true, _) => "yes",
        (false, true) => "yes, since everybody may",
        (false, false) => "no: it has no right to read, and require_read_token is set",
    };
    let Token { rights, .. } = token;
    let right = question.map(|question| question.right);
    let Some(key) = question.and_then(|question| question.key.as_ref()) else {
        let (write, delete) = (all(&rights.write), all(&rights.delete));
        return Verdict {
            text: described(token, &validity(token), [&write, &delete, read, backup(token)]),
            is_allowed: right.is_none_or(|right| holder.has(right)),
        };
    };
    let answer = |right, scopes: &[Scope]| {
        if holder.covers(right, key.borrow()) {
            "yes".to_owned()
        } else if scopes.is_empty() {
            "no: it has no such right".to_owned()
        } else {
            format!("no: only for {}", all(scopes))
        }
    };
    let write = answer(Right::Write, &rights.write);
    let delete = answer(Right::Delete, &rights.delete);
    let (repo, server) = (key.repo.as_str(), key.server.as_str());
    let asked = format!("{}, asked about repo {repo:?} on server {server:?}", validity(token));
    let text = described(token, &asked, [&write, &delete, read, backup(token)]);
    Verdict { text, is_allowed: right.is_none_or(|right| holder.covers(right, key.borrow())) }
}

/// Describes every token of the file.
fn list(tokens: &Tokens, now: Timestamp) -> String {
    let tables = tokens.iter().map(|token| {
        let expired = token.expires.filter(|_| token.has_expired(now));
        let expired = expired.map(|expires| format!("expired on {}", shown_time(expires)));
        let state = expired.unwrap_or_else(|| validity(token));
        let rights = &token.rights;
        let read = if rights.read { "yes" } else { "only where everybody may" };
        let [write, delete] = [&rights.write, &rights.delete].map(|scopes| all(scopes));
        format!("\n{}", described(token, &state, [&write, &delete, read, backup(token)]))
    });
    let tables: String = tables.collect();
    let count = match tokens.iter().count() {
        0 => "no tokens, so every request that needs one is refused".to_owned(),
        1 => "1 token".to_owned(),
        count => format!("{count} tokens"),
    };
    format!("is valid: {count}\n{tables}")
}

/// Says whether a token may take backups.
fn backup(token: &Token) -> &'static str {
    if token.rights.backup { "yes" } else { "no" }
}

/// Describes a token by its state and its rights: to write, to delete, to read and to take backups.
fn described(token: &Token, state: &str, [write, delete, read, backup]: [&str; 4]) -> String {
    let Token { id, note, .. } = token;
    let note = note.as_ref().map(|note| format!("  note    {}\n", shown_value(note)));
    let note = note.unwrap_or_default();
    format!(
        "{id}: {state}\n  write   {write}\n  delete  {delete}\n  read    {read}\n  backup  {backup}\n\
         {note}"
    )
}

fn validity(token: &Token) -> String {
    let until = token.expires.map(|expires| format!(" until {}", shown_time(expires)));
    format!("valid{}", until.unwrap_or_default())
}

fn all(scopes: &[Scope]) -> String {
    if scopes.is_empty() {
        return "nothing".to_owned();
    }
    let scopes: Vec<String> = scopes.iter().map(Scope::to_string).collect();
    redacted(&scopes.join(", ")).into_owned()
}

fn shown_time(moment: Timestamp) -> String {
    ReportedTime::to_the_second(moment).rfc3339().to_string()
}
