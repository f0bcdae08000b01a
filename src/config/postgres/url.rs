//! The URL of a PostgreSQL database: `postgres://user@host:5432/database?sslmode=verify-full`.
//!
//! It is the URL of libpq, with the parameters that this program has a use for; all others are errors.
//! No error repeats a part of the URL that may belong to a password.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::super::toml_text::nearest;
use super::super::value::{InvalidValue, number};
use super::escapes::{checked, decoded, escaped, escaped_value};
use super::files::Password;
use super::place::Place;
use super::secret::Secret;
use super::ssl_mode::SslMode;

const PARAMETERS: &[&str] = &[
    "application_name",
    "connect_timeout",
    "dbname",
    "host",
    "passfile",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "target_session_attrs",
    "user",
];

/// What the server's own views call the program.
const APPLICATION_NAME: &str = "gitops-status-server";
/// How long a host may take until the program is logged in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const LONGEST_CONNECT_TIMEOUT: usize = 60;

/// A database of PostgreSQL, and how the program logs in there.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PostgresUrl {
    pub(super) places: Vec<Place>,
    /// The ports of a URL that leaves its hosts to `PGHOST`.
    pub(super) ports: Option<String>,
    pub(super) user: Option<String>,
    pub(super) url_password: Option<Secret>,
    pub(super) database: Option<String>,
    pub(super) ssl_mode: Option<SslMode>,
    pub(super) root_certificates: Option<PathBuf>,
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    pub(super) pass_file: Option<PathBuf>,
    pub(super) application_name: Option<String>,
    pub(super) connect_timeout: Option<usize>,
    /// Where the password comes from, once the environment has been asked.
    pub(super) password: Password,
}

impl PostgresUrl {
    /// Parses what follows `postgres:`.
    pub(in super::super) fn parse(rest: &str) -> Result<Self, InvalidValue> {
        let rest = rest.strip_prefix("//").ok_or_else(|| {
            InvalidValue::new("expected two slashes, as in postgres://user@host:5432/database")
        })?;
        let (before_query, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = before_query.split_once('/').unwrap_or((before_query, ""));
        let (login, places) = match authority.rsplit_once('@') {
            Some((login, places)) => (Some(login), places),
            None if path.contains('@') || query.contains('@') => {
                return Err(InvalidValue::new(
                    "an @ follows a / or ?; in a user's name or password / is written %2F, ? is \
                     written %3F, and @ is written %40 everywhere",
                ));
            }
            None => (None, authority),
        };
        let mut url = Self { places: Place::parse_list(places)?, ..Self::default() };
        if let Some(login) = login {
            let (user, password) = login.split_once(':').map_or((login, ""), |pair| pair);
            url.user = some(decoded(user, "user")?);
            url.url_password = some(decoded(password, "password")?).map(Secret);
        }
        url.database = some(decoded(path, "dbname")?);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').ok_or_else(|| {
                InvalidValue::new("a parameter has no =; expected key=value pairs between &")
            })?;
            url.set(&decoded(key, "parameter")?, value)?;
        }
        url.give_ports()?;
        Ok(url)
    }

    /// Takes a parameter.
    fn set(&mut self, key: &str, value: &str) -> Result<(), InvalidValue> {
        let value = decoded(value, PARAMETERS.iter().find(|known| **known == key).unwrap_or(&""))?;
        match key {
            _ if value.is_empty() && PARAMETERS.contains(&key) => {}
            "host" if self.places.is_empty() => self.places = Place::parse_hosts(&value)?,
            "host" => return Err(twice("host")),
            "port" => once(&mut self.ports, value, "port")?,
            "user" => once(&mut self.user, value, "user")?,
            "password" => once(&mut self.url_password, Secret(value), "password")?,
            "dbname" => once(&mut self.database, value, "dbname")?,
            "sslmode" => once(&mut self.ssl_mode, SslMode::parse(&value)?, "sslmode")?,
            "sslrootcert" => once(&mut self.root_certificates, value.into(), "sslrootcert")?,
            "sslcert" => once(&mut self.certificate, value.into(), "sslcert")?,
            "sslkey" => once(&mut self.key, value.into(), "sslkey")?,
            "passfile" => once(&mut self.pass_file, value.into(), "passfile")?,
            "application_name" => once(&mut self.application_name, value, "application_name")?,
            "connect_timeout" => {
                once(&mut self.connect_timeout, parse_timeout(&value)?, "connect_timeout")?;
            }
            "target_session_attrs" => check_session(&value)?,
            _ => return Err(unknown_parameter(key)),
        }
        Ok(())
    }

    /// Gives the hosts the ports of the parameter `port`.
    pub(super) fn give_ports(&mut self) -> Result<(), InvalidValue> {
        if self.places.is_empty() {
            return Ok(());
        }
        let Some(ports) = self.ports.take() else { return Ok(()) };
        Place::set_ports(&mut self.places, &ports)
    }

    /// Returns where the servers listen, of which one is the primary.
    #[must_use]
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// Returns the role.
    #[must_use]
    pub fn user(&self) -> &str {
        self.user.as_deref().unwrap_or_default()
    }

    /// Returns the database's name: by default that of the role.
    #[must_use]
    pub fn database(&self) -> &str {
        self.database.as_deref().unwrap_or(self.user())
    }

    /// Returns what the server's own views call the program.
    #[must_use]
    pub fn application_name(&self) -> &str {
        self.application_name.as_deref().unwrap_or(APPLICATION_NAME)
    }

    /// Returns how long a host may take until the program is logged in.
    #[must_use]
    pub fn connect_timeout(&self) -> Duration {
        self.connect_timeout.map_or(CONNECT_TIMEOUT, |seconds| Duration::from_secs(seconds as u64))
    }

    /// Returns how much TLS a connection has. By default everything is verified, except on this
    /// machine.
    #[must_use]
    pub fn ssl_mode(&self) -> SslMode {
        let is_local = !self.places.iter().any(Place::is_beyond_this_machine);
        self.ssl_mode.unwrap_or(if is_local && self.root_certificates.is_none() {
            SslMode::Prefer
        } else {
            SslMode::VerifyFull
        })
    }

    /// Returns what others on the network may do, in a sentence that names the mode; `None` if
    /// nothing.
    #[must_use]
    pub fn weakness(&self) -> Option<String> {
        let (mode, is_beyond) = (self.ssl_mode(), Place::is_beyond_this_machine);
        let weakness = mode.weakness().filter(|_| self.places.iter().any(is_beyond))?;
        Some(format!("sslmode={}: {weakness}; use verify-full", mode.name()))
    }

    /// Checks the parts that depend on each other.
    pub(super) fn check(&self) -> Result<(), InvalidValue> {
        if self.places.is_empty() {
            return Err(InvalidValue::new("names no host; write one, or set PGHOST"));
        }
        if self.user().is_empty() {
            return Err(InvalidValue::new("names no user; write one, or set PGUSER"));
        }
        if self.root_certificates.is_some() && !self.ssl_mode().verifies() {
            let mode = self.ssl_mode().name();
            return Err(InvalidValue::new(format!(
                "sslrootcert has no effect with sslmode={mode}; expected sslmode=verify-full"
            )));
        }
        if self.certificate.is_some() != self.key.is_some() {
            return Err(InvalidValue::new("sslcert and sslkey need each other"));
        }
        checked(self.application_name(), "application_name").map(|_| ())
    }
}

impl fmt::Display for PostgresUrl {
    /// Writes the URL with its password masked.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        if let Some(user) = &self.user {
            let password = if self.url_password.is_some() { ":***" } else { "" };
            write!(f, "{}{password}@", escaped(user))?;
        }
        let places: Vec<String> = self.places.iter().map(Place::to_string).collect();
        f.write_str(&places.join(","))?;
        if let Some(database) = &self.database {
            write!(f, "/{}", escaped(database))?;
        }
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let parameters = [
            ("port", self.ports.clone()),
            ("sslmode", self.ssl_mode.map(|mode| mode.name().to_owned())),
            ("sslrootcert", path(&self.root_certificates)),
            ("sslcert", path(&self.certificate)),
            ("sslkey", path(&self.key)),
            ("passfile", path(&self.pass_file)),
            ("application_name", self.application_name.clone()),
            ("connect_timeout", self.connect_timeout.map(|seconds| seconds.to_string())),
        ];
        let given = parameters.into_iter().filter_map(|(key, value)| Some((key, value?)));
        for (place, (key, value)) in given.enumerate() {
            let before = if place == 0 { '?' } else { '&' };
            write!(f, "{before}{key}={}", escaped_value(&value))?;
        }
        Ok(())
    }
}

pub(super) fn parse_timeout(text: &str) -> Result<usize, InvalidValue> {
    number::<1, LONGEST_CONNECT_TIMEOUT>(text)
        .map_err(|invalid| InvalidValue::new(format!("connect_timeout: {invalid} (seconds)")))
}

/// The primary is used in any case, so a URL may ask for it.
pub(super) fn check_session(value: &str) -> Result<(), InvalidValue> {
    if matches!(value, "primary" | "read-write") {
        return Ok(());
    }
    Err(InvalidValue::new(
        "target_session_attrs: expected primary or read-write: updates are written",
    ))
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

fn once<T>(place: &mut Option<T>, value: T, name: &str) -> Result<(), InvalidValue> {
    if place.replace(value).is_some() { Err(twice(name)) } else { Ok(()) }
}

fn twice(name: &str) -> InvalidValue {
    InvalidValue::new(format!("{name}: given twice"))
}

/// Names the parameter, if it cannot be a part of a password.
fn unknown_parameter(key: &str) -> InvalidValue {
    let known = PARAMETERS.join(", ");
    let Some(meant) = nearest(key, PARAMETERS) else {
        return InvalidValue::new(format!("a parameter is not known; known ones: {known}"));
    };
    InvalidValue::new(format!(
        "unknown parameter {key} (did you mean {meant}?); known ones: {known}"
    ))
}
