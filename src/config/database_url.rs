//! The URL of the database: `sqlite://relative.db`, `sqlite:///absolute.db`, `postgres://...`.
//!
//! SQLite's own URLs accept more. A parsed [`DatabaseUrl::Sqlite`] names a file and nothing else. This
//! module must not open anything.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use toml::Value;

use super::postgres::PostgresUrl;
use super::value::{InvalidValue, Kind, SettingValue};

const ACCEPTED: &str = "expected sqlite://relative.db, sqlite:///absolute.db or \
    postgres://user@host:5432/database";

/// The characters that are escaped in a URL's path, so that the shown URL parses to the same path.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'?').add(b'#').add(b'@').add(b'"');

/// A database that can hold entries.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum DatabaseUrl {
    /// A SQLite file; a relative path starts at the working directory.
    Sqlite(PathBuf),
    /// A database of a PostgreSQL server.
    Postgres(Box<PostgresUrl>),
}

impl DatabaseUrl {
    /// Parses a URL; percent escapes stand for bytes of UTF-8.
    ///
    /// # Errors
    /// Other schemes, what is wrong with a URL of PostgreSQL, and of SQLite: databases in memory, query
    /// parameters, and paths that cannot name a file. The messages do not repeat the URL, which may
    /// hold a password.
    pub(super) fn parse(text: &str) -> Result<Self, InvalidValue> {
        let (scheme, rest) = text.split_once(':').ok_or_else(|| InvalidValue::new(ACCEPTED))?;
        match scheme.to_ascii_lowercase().as_str() {
            "sqlite" => sqlite_path(rest.strip_prefix("//").unwrap_or(rest)).map(Self::Sqlite),
            "postgres" | "postgresql" => PostgresUrl::parse(rest).map(Box::new).map(Self::Postgres),
            _ => Err(unknown_scheme(scheme)),
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => {
                write!(f, "sqlite://{}", utf8_percent_encode(&path.to_string_lossy(), ESCAPED))
            }
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

impl SettingValue for DatabaseUrl {
    const KIND: Kind = Kind::Url;

    fn to_toml(&self) -> Value {
        self.to_string().into()
    }
}

/// Parses the part behind `sqlite://`.
fn sqlite_path(raw: &str) -> Result<PathBuf, InvalidValue> {
    if raw.contains('?') {
        return Err(InvalidValue::new(
            "query parameters are not accepted; a question mark in a file name is written %3F",
        ));
    }
    if raw.split('/').next().is_some_and(|first| first.contains('@')) {
        return Err(InvalidValue::new(
            "a SQLite database is a file and has no user or host; an @ in its name is written %40",
        ));
    }
    let decoded = percent_decode_str(raw)
        .decode_utf8()
        .map_err(|_| InvalidValue::new("the percent escapes in the path are not valid UTF-8"))?;
    check_sqlite_path(&decoded)?;
    Ok(PathBuf::from(decoded.as_ref()))
}

/// Refuses paths that SQLite would open as anything but a file of this name.
fn check_sqlite_path(path: &str) -> Result<(), InvalidValue> {
    if path.is_empty() {
        return Err(InvalidValue::new(format!("the path is empty; {ACCEPTED}")));
    }
    if path == ":memory:" {
        return Err(InvalidValue::new(
            "a database in memory is not accepted: an update answered with 200 must be on disk",
        ));
    }
    // SQLite opens such a name as a URI with parameters.
    if path.starts_with("file:") {
        return Err(InvalidValue::new("a path that begins with file: is not accepted"));
    }
    if path.contains(char::is_control) {
        return Err(InvalidValue::new("control characters in the path are not accepted"));
    }
    let names_a_file =
        matches!(Path::new(path).components().next_back(), Some(Component::Normal(_)));
    if path.ends_with('/') || path.ends_with("/.") || !names_a_file {
        return Err(InvalidValue::new("the path names a directory; expected a file"));
    }
    Ok(())
}

/// Names the scheme only if it is a well-known one: any other text could be part of a secret.
fn unknown_scheme(scheme: &str) -> InvalidValue {
    match scheme {
        "mysql" | "mariadb" | "file" | "http" | "https" => {
            InvalidValue::new(format!("the scheme {scheme} is not supported; {ACCEPTED}"))
        }
        _ => InvalidValue::new(ACCEPTED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_file() {
        for (url, path) in [
            ("sqlite://gitops-status.db", "gitops-status.db"),
            ("sqlite:rel.db", "rel.db"),
            ("sqlite://./sub/rel.db", "./sub/rel.db"),
            ("sqlite://../rel.db", "../rel.db"),
            ("sqlite:///var/lib/x.db", "/var/lib/x.db"),
            ("sqlite:/var/lib/x.db", "/var/lib/x.db"),
            ("SQLite:///x.db", "/x.db"),
            ("sqlite:///a%20b%3F%23%25.db", "/a b?#%.db"),
            ("sqlite:///%C3%A4.db", "/ä.db"),
            ("sqlite:///ä.db", "/ä.db"),
            ("sqlite:///100%.db", "/100%.db"),
            ("sqlite:///100%zz", "/100%zz"),
            ("sqlite:///data/a:b@c.db", "/data/a:b@c.db"),
            ("sqlite://a%40b.db", "a@b.db"),
            ("sqlite://a#b.db", "a#b.db"),
            ("sqlite:///memory", "/memory"),
        ] {
            let parsed = DatabaseUrl::parse(url).unwrap();
            assert_eq!(parsed, DatabaseUrl::Sqlite(PathBuf::from(path)), "{url}");
            assert_eq!(DatabaseUrl::parse(&parsed.to_string()).unwrap(), parsed, "{url}");
        }
    }

    #[test]
    fn a_url_that_names_no_file_is_refused() {
        for (url, reason) in [
            ("", "expected sqlite://"),
            ("gitops-status.db", "expected sqlite://"),
            ("/var/lib/x.db", "expected sqlite://"),
            ("mysql://u:pw@h/db", "the scheme mysql is not supported"),
            ("s3cret:pw", "expected sqlite://"),
            ("sqlite", "expected sqlite://"),
            ("sqlite:", "the path is empty"),
            ("sqlite://", "the path is empty"),
            ("sqlite::memory:", "must be on disk"),
            ("sqlite://:memory:", "must be on disk"),
            ("sqlite://%3Amemory%3A", "must be on disk"),
            ("sqlite://x.db?mode=memory", "query parameters"),
            ("sqlite://x.db?", "query parameters"),
            ("sqlite:file:x.db", "begins with file:"),
            ("sqlite:file:x%3Fmode=memory", "begins with file:"),
            ("sqlite://user:pw@host/db", "no user or host"),
            ("sqlite:///x%00.db", "control characters"),
            ("sqlite:///x%0A.db", "control characters"),
            ("sqlite:///%FF.db", "not valid UTF-8"),
            ("sqlite:///", "names a directory"),
            ("sqlite:///var/lib/", "names a directory"),
            ("sqlite://.", "names a directory"),
            ("sqlite://..", "names a directory"),
            ("sqlite://a/.", "names a directory"),
        ] {
            let message = DatabaseUrl::parse(url).unwrap_err().to_string();
            assert!(message.contains(reason), "{url}: {message}");
            assert!(!message.contains('\n') && !message.contains("pw"), "{url}: {message}");
        }
    }
}
