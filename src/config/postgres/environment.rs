//! What a URL leaves out, from the `PG*` variables, as libpq takes it.

use std::path::PathBuf;

use super::super::error::ConfigError;
use super::super::sources::Lookup;
use super::super::value::InvalidValue;
use super::escapes::checked;
use super::files::Password;
use super::place::Place;
use super::secret::Secret;
use super::ssl_mode::SslMode;
use super::url::{PostgresUrl, check_session, parse_timeout};

/// Variables of libpq that change to what a connection is made or what it accepts, and that this program
/// does not know. To ignore them would be unsafe.
const NOT_SUPPORTED: &[&str] = &[
    "PGCHANNELBINDING",
    "PGHOSTADDR",
    "PGREQUIREAUTH",
    "PGREQUIREPEER",
    "PGREQUIRESSL",
    "PGSERVICE",
    "PGSSLCRL",
    "PGSSLCRLDIR",
];

/// The variables, and which of them were used.
struct Variables<'a> {
    environment: &'a Lookup<'a>,
    used: Vec<&'static str>,
}

impl PostgresUrl {
    /// Takes what is missing from the environment, and returns the names of the variables that were
    /// used. `file` is the setting that names a file with the password, and where it was found.
    ///
    /// # Errors
    /// A variable whose value is not accepted or not supported, two passwords, and a URL that is
    /// incomplete still, at `origin`.
    pub(in super::super) fn complete(
        &mut self,
        origin: &str,
        environment: &Lookup<'_>,
        file: Option<(String, PathBuf)>,
    ) -> Result<Vec<&'static str>, ConfigError> {
        let mut variables = Variables { environment, used: Vec::new() };
        for name in NOT_SUPPORTED {
            if variables.get(name)?.is_some() {
                let reason = "is not supported; say what is needed in the URL, and unset it";
                return Err(ConfigError::new(format!("environment {name}"), reason));
            }
        }
        if self.places.is_empty() {
            self.places = variables.take("PGHOST", Place::parse_hosts)?.unwrap_or_default();
            self.give_ports().map_err(|invalid| ConfigError::new(origin, invalid.to_string()))?;
        }
        if self.places.iter().any(|place| place.port.is_none()) {
            let places = &mut self.places;
            variables.take("PGPORT", |text| Place::set_ports(places, text))?;
        }
        let text = |text: &str, what| checked(text, what).map(str::to_owned);
        variables.fill(&mut self.user, "PGUSER", |user| text(user, "user"))?;
        variables.fill(&mut self.database, "PGDATABASE", |name| text(name, "dbname"))?;
        variables.fill(&mut self.ssl_mode, "PGSSLMODE", SslMode::parse)?;
        let path = |text: &str| Ok(PathBuf::from(text));
        variables.fill(&mut self.root_certificates, "PGSSLROOTCERT", path)?;
        variables.fill(&mut self.certificate, "PGSSLCERT", path)?;
        variables.fill(&mut self.key, "PGSSLKEY", path)?;
        let name = |text: &str| checked(text, "application_name").map(str::to_owned);
        variables.fill(&mut self.application_name, "PGAPPNAME", name)?;
        variables.fill(&mut self.connect_timeout, "PGCONNECT_TIMEOUT", parse_timeout)?;
        variables.take("PGTARGETSESSIONATTRS", check_session)?;
        self.password = self.find_password(&mut variables, origin, file)?;
        self.check().map_err(|invalid| ConfigError::new(origin, invalid.to_string()))?;
        Ok(variables.used)
    }

    /// Finds the first of: URL, `database_password_file`, `PGPASSWORD`, `passfile`, `PGPASSFILE`,
    /// `~/.pgpass`.
    fn find_password(
        &self,
        variables: &mut Variables<'_>,
        origin: &str,
        file: Option<(String, PathBuf)>,
    ) -> Result<Password, ConfigError> {
        match (&self.url_password, file) {
            (Some(_), Some((place, _))) => {
                let reason = format!("has a password, and so has {place}; keep one");
                return Err(ConfigError::new(origin, reason));
            }
            (Some(password), None) => return Ok(Password::Given(password.clone())),
            (None, Some((_, path))) => return Ok(Password::File(path)),
            (None, None) => {}
        }
        if let Some(password) = variables.take("PGPASSWORD", |text| Ok(Secret(text.to_owned())))? {
            return Ok(Password::Given(password));
        }
        if let Some(path) = &self.pass_file {
            return Ok(Password::PassFile("passfile", path.clone()));
        }
        if let Some(path) = variables.take("PGPASSFILE", |text| Ok(PathBuf::from(text)))? {
            return Ok(Password::PassFile("PGPASSFILE", path));
        }
        let home = variables.get("HOME")?;
        Ok(home.map_or(Password::None, |home| {
            Password::PassFileOfHome(PathBuf::from(home).join(".pgpass"))
        }))
    }
}

impl Variables<'_> {
    /// Returns a variable's value, if it has one.
    fn get(&self, name: &str) -> Result<Option<String>, ConfigError> {
        let Some(value) = (self.environment)(name) else { return Ok(None) };
        let value = value
            .into_string()
            .map_err(|_| ConfigError::new(format!("environment {name}"), "is not valid UTF-8"))?;
        Ok(Some(value).filter(|value| !value.is_empty()))
    }

    /// Parses a variable's value, if it has one.
    fn take<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, InvalidValue>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(text) = self.get(name)? else { return Ok(None) };
        self.used.push(name);
        let refused = |invalid: InvalidValue| {
            ConfigError::new(format!("environment {name}"), invalid.to_string())
        };
        parse(&text).map(Some).map_err(refused)
    }

    /// Takes a variable's value for a part of the URL that is missing.
    fn fill<T>(
        &mut self,
        part: &mut Option<T>,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, InvalidValue>,
    ) -> Result<(), ConfigError> {
        if part.is_none() {
            *part = self.take(name, parse)?;
        }
        Ok(())
    }
}
