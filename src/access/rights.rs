//! Rights, and the names that they cover.

use std::borrow::Cow;
use std::fmt;

use toml::Value;
use toml::de::DeValue;

use crate::config::Config;
use crate::config::toml_text::{self, BadPattern};
use crate::domain::{KeyRef, Names, list_elements, means_all};

/// What a caller needs to be allowed to do. The table of routes names one right for each method of
/// each path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Right {
    /// Report the status of a repository on a server.
    Write,
    /// Remove an entry.
    Delete,
    /// Read entries, counts, the history and the metrics, as data or as pages.
    Read,
    /// Take a copy of the database, which holds everything.
    Backup,
    /// Sign in, which takes any token.
    SignIn,
    /// Ask whether the server is well, and load what its pages look like. Everybody has it.
    Probe,
}

/// Pairs of repository and server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Scope {
    /// The repositories.
    pub repo: Names,
    /// The servers.
    pub server: Names,
    written: Cow<'static, str>,
}

impl Scope {
    /// Every pair.
    pub const ALL: Self = Self {
        repo: Names::Any,
        server: Names::Any,
        written: Cow::Borrowed("{ repo = \"*\", server = \"*\" }"),
    };

    /// Takes the patterns of both names, each with its text in TOML.
    pub(super) fn new(repo: (Names, Value), server: (Names, Value)) -> Self {
        let written = format!("{{ repo = {}, server = {} }}", repo.1, server.1);
        Self { repo: repo.0, server: server.0, written: written.into() }
    }

    /// Reads `repo=PATTERN,server=PATTERN`, as the command line has it. A pattern may be a list such
    /// as `a,b`.
    ///
    /// # Errors
    /// What is accepted. It shows nothing of the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut found: Vec<(&str, String)> = Vec::new();
        for part in text.split(',') {
            match (part.trim_start().split_once('='), found.last_mut()) {
                (Some((key @ ("repo" | "server"), start)), _) => {
                    found.push((key, start.to_owned()));
                }
                (_, Some((_, pattern))) => {
                    pattern.push(',');
                    pattern.push_str(part);
                }
                (_, None) => return Err("expected repo=PATTERN,server=PATTERN".to_owned()),
            }
        }
        let of = |key| {
            let mut patterns = found.iter().filter(|(known, _)| *known == key);
            match (patterns.next(), patterns.next()) {
                (Some((_, pattern)), None) => names_in_argument(key, pattern),
                (None, _) => Err(missing(key)),
                (Some(_), Some(_)) => Err(format!("{key} is given twice")),
            }
        };
        Ok(Self::new(of("repo")?, of("server")?))
    }

    /// Whether a pair is among them.
    #[must_use]
    pub fn covers(&self, key: KeyRef<'_>) -> bool {
        self.repo.matches(key.repo) && self.server.matches(key.server)
    }
}

/// Writes it as in the file of tokens.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// Reads the patterns of one name, which grant what they show and no more. Filters are more generous:
/// there `.*` is every name, and `a,b*` also a pattern with a comma in it.
pub(super) fn names(key: &str, value: &DeValue<'_>) -> Result<(Names, Value), String> {
    let texts = toml_text::pattern_texts(value).map_err(|reason| bad_pattern(key, &reason))?;
    let mut elements: Vec<&str> = Vec::new();
    for text in &texts {
        let list = list_elements(text);
        if list.iter().any(|element| means_all(element) && *element != "*") {
            return Err(format!("{key}: every name is \"*\""));
        }
        if text.contains('*') { elements.extend(list) } else { elements.push(text) }
    }
    Ok((Names::parse(elements), toml_text::as_written(texts)))
}

/// Reads the pattern of one name on the command line.
fn names_in_argument(key: &str, pattern: &str) -> Result<(Names, Value), String> {
    // A name may have quotes, but hardly around it.
    if pattern.starts_with(['"', '\'']) && pattern.ends_with(['"', '\'']) {
        return Err(format!("{key} takes a pattern without quotes"));
    }
    if pattern.split(',').skip(1).any(|element| element.contains('=')) {
        return Err("expected repo=PATTERN,server=PATTERN, and nothing else with an =".to_owned());
    }
    names(key, &DeValue::String(pattern.into()))
}

/// Says that a name is missing: nothing is covered by leaving it out.
pub(super) fn missing(key: &str) -> String {
    format!("{key} is missing; \"*\" is every name")
}

/// Names the mistake in a pattern, and does not repeat the pattern.
fn bad_pattern(key: &str, reason: &BadPattern) -> String {
    match reason {
        BadPattern::Empty => format!("{key} {reason}"),
        BadPattern::NoText(_) => format!("{key}: {reason}"),
        BadPattern::NoName(_) => format!("{key}: {}", BadPattern::NO_NAME),
    }
}

/// The rights of a caller.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rights {
    /// The pairs of which they may report the status.
    pub write: Vec<Scope>,
    /// The entries that they may remove.
    pub delete: Vec<Scope>,
    /// Whether they may read.
    pub read: bool,
    /// Whether they may take a copy of the database.
    pub backup: bool,
}

impl Rights {
    /// Returns every right.
    #[must_use]
    pub fn all() -> Self {
        Self { write: vec![Scope::ALL], delete: vec![Scope::ALL], read: true, backup: true }
    }

    /// Returns what callers without a token may do, by settings that have been checked.
    #[must_use]
    pub fn without_token(config: &Config) -> Self {
        let Config { tokens_file, allow_anonymous_writes, require_read_token, .. } = config;
        if tokens_file.is_none() && !allow_anonymous_writes {
            // This is a loopback address.
            return Self::all();
        }
        let write = if *allow_anonymous_writes { vec![Scope::ALL] } else { Vec::new() };
        Self { write, read: !require_read_token, ..Self::default() }
    }

    /// Whether there is this right, for some pair at least.
    #[must_use]
    pub fn has(&self, right: Right) -> bool {
        match right {
            Right::Write => !self.write.is_empty(),
            Right::Delete => !self.delete.is_empty(),
            Right::Read => self.read,
            Right::Backup => self.backup,
            // Only holders of tokens have it.
            Right::SignIn => false,
            Right::Probe => true,
        }
    }

    /// Whether there is this right for a pair.
    #[must_use]
    pub fn covers(&self, right: Right, key: KeyRef<'_>) -> bool {
        let any = |scopes: &[Scope]| scopes.iter().any(|scope| scope.covers(key));
        match right {
            Right::Write => any(&self.write),
            Right::Delete => any(&self.delete),
            Right::Read | Right::Backup | Right::SignIn | Right::Probe => self.has(right),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_on_the_command_line_has_the_patterns_of_the_file() {
        for (text, written) in [
            ("repo=rsyslog,server=*", "{ repo = \"rsyslog\", server = \"*\" }"),
            ("server=web-*, repo=a,b", "{ repo = \"a,b\", server = \"web-*\" }"),
            ("repo={a,b},server=x=y", "{ repo = \"{a,b}\", server = \"x=y\" }"),
        ] {
            assert_eq!(Scope::parse(text).unwrap().to_string(), written, "{text}");
        }
        let scope = Scope::parse("repo=a,b,server=web-*").unwrap();
        let covers = |repo, server| scope.covers(KeyRef { repo, server });
        assert!(covers("a", "web-1") && covers("b", "web-") && !covers("c", "web-1"));
        assert_eq!(Scope::parse("repo=*,server=*").unwrap(), Scope::ALL);
    }

    #[test]
    fn a_pattern_grants_what_it_shows() {
        let scope = Scope::parse("repo=db,web-*,server=a,b").unwrap();
        let covers = |repo, server| scope.covers(KeyRef { repo, server });
        assert!(covers("db", "a") && covers("web-1", "b"));
        assert!(!covers("db,web-1", "a"), "a list is no pattern with a comma in it");
        assert!(covers("db", "a,b"), "but a list without a star may be one name");
    }

    #[test]
    fn a_scope_that_leaves_something_out_is_refused_and_not_repeated() {
        for (text, reason) in [
            ("", "expected repo=PATTERN,server=PATTERN"),
            ("hunter2", "expected repo=PATTERN,server=PATTERN"),
            ("repo=hunter2", "server is missing; \"*\" is every name"),
            ("server=*", "repo is missing; \"*\" is every name"),
            ("repo=hunter2,servr=*", "expected repo=PATTERN,server=PATTERN, and nothing else"),
            ("server=*,servr=hunter2,repo=a", "expected repo=PATTERN,server=PATTERN, and nothing"),
            ("repo=\"hunter2\",server=*", "repo takes a pattern without quotes"),
            ("repo='hunter2',server=*", "repo takes a pattern without quotes"),
            ("repo=.*,server=*", "repo: every name is \"*\""),
            ("repo=a,server=b,$__all", "server: every name is \"*\""),
            ("repo=a,repo=b,server=*", "repo is given twice"),
            ("repo=,server=*", "repo is empty; \"*\" matches every name"),
            ("repo=hunter2 ,server=*", "repo: no name has control characters, or white space"),
        ] {
            let error = Scope::parse(text).unwrap_err();
            assert!(error.starts_with(reason) && !error.contains("hunter2"), "{text}: {error}");
        }
    }
}
