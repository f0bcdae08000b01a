//! The rules that hold between settings.

use std::net::SocketAddr;

use super::database_url::DatabaseUrl;
use super::error::ConfigError;
use super::settings::Config;
use super::sources::Sources;

/// Whether only this machine reaches an address. `::ffff:127.0.0.1` is loopback too.
#[must_use]
pub fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

impl Config {
    /// Checks settings against each other; `sources` tells where a value came from.
    ///
    /// # Errors
    /// The first combination that is not accepted.
    pub(super) fn check(&self, sources: &Sources<'_>) -> Result<(), ConfigError> {
        self.check_writers(sources)?;
        self.check_ports(sources)?;
        self.check_readers(sources)?;
        self.check_certificate(sources)?;
        self.check_backups(sources)?;
        self.check_lifetimes(sources)
    }

    /// Turns the default of `ttl` off where entries are never stale: none expires without having
    /// been stale.
    ///
    /// # Errors
    /// None, since the settings have been found before.
    pub(super) fn never_expire_unless_stale(
        &mut self,
        sources: &mut Sources<'_>,
    ) -> Result<(), ConfigError> {
        if self.stale_after.is_none() && sources.find(&Self::ttl)?.is_default() {
            self.ttl = None;
            sources.change(&Self::ttl, &self.ttl, "off by default, because stale_after is 0");
        }
        Ok(())
    }

    /// Takes from the environment what the URL of a PostgreSQL database leaves out.
    ///
    /// # Errors
    /// What is not accepted there, a URL that is incomplete still, and a file with the password of a
    /// database that has none.
    pub(super) fn complete_database_url(
        &mut self,
        sources: &mut Sources<'_>,
    ) -> Result<(), ConfigError> {
        let (url, file) = (&Self::database_url, &Self::database_password_file);
        let (origin, file_origin) = (sources.origin(url), sources.origin(file));
        let path = self.database_password_file.as_ref().map(|path| path.as_path().to_owned());
        let DatabaseUrl::Postgres(database) = &mut self.database_url else {
            let Some(_) = path else { return Ok(()) };
            let reason = "is for a database_url of postgres://; SQLite has no passwords";
            return Err(ConfigError::new(file_origin, reason));
        };
        let file = path.map(|path| (file_origin, path));
        let used = database.complete(&origin, sources.environment(), file)?;
        let origins: Vec<&str> = [origin.as_str()].into_iter().chain(used).collect();
        sources.change(url, &self.database_url, &origins.join(", "));
        Ok(())
    }

    /// Refuses to let other machines write unless the operator has allowed it.
    fn check_writers(&self, sources: &Sources<'_>) -> Result<(), ConfigError> {
        if is_loopback(self.listen) || self.tokens_file.is_some() || self.allow_anonymous_writes {
            return Ok(());
        }
        let (listen, tokens) = (&Self::listen, &Self::tokens_file);
        let allow = &Self::allow_anonymous_writes;
        Err(sources.find(listen)?.refused(&format!(
            "is not a loopback address, and nothing would protect the entries: set --{} ({}), \
             listen on a loopback address such as {}, or set --{} ({}=true), which allows every \
             client that reaches the port to write",
            tokens.long(),
            tokens.variable(),
            listen.default,
            allow.long(),
            allow.variable(),
        )))
    }

    /// Refuses one port for two purposes.
    fn check_ports(&self, sources: &Sources<'_>) -> Result<(), ConfigError> {
        let Some(admin) = self.admin_listen else { return Ok(()) };
        let (one, other) = (admin.ip().to_canonical(), self.listen.ip().to_canonical());
        // An unspecified address stands for every other one. Port 0 is a free port each time.
        let overlap = one == other || one.is_unspecified() || other.is_unspecified();
        if admin.port() != self.listen.port() || admin.port() == 0 || !overlap {
            return Ok(());
        }
        let listen = sources.find(&Self::listen)?;
        Err(sources.find(&Self::admin_listen)?.refused(&format!(
            "must have another port than listen, which is {} ({})",
            listen.text, listen.origin,
        )))
    }

    /// Refuses to require tokens where there are none.
    fn check_readers(&self, sources: &Sources<'_>) -> Result<(), ConfigError> {
        if !self.require_read_token || self.tokens_file.is_some() {
            return Ok(());
        }
        let tokens = Self::tokens_file.long();
        Err(sources
            .find(&Self::require_read_token)?
            .refused(&format!("needs --{tokens}: without tokens nobody could read")))
    }

    /// Refuses a certificate without its key, and a key without its certificate.
    fn check_certificate(&self, sources: &Sources<'_>) -> Result<(), ConfigError> {
        let (certificate, key) = (&Self::tls_cert, &Self::tls_key);
        let (given, missing) = match (&self.tls_cert, &self.tls_key) {
            (Some(_), None) => (certificate, key),
            (None, Some(_)) => (key, certificate),
            (Some(_), Some(_)) | (None, None) => return Ok(()),
        };
        let reason = format!("needs --{} ({}) beside it", missing.long(), missing.variable());
        Err(sources.find(given)?.refused(&reason))
    }

    /// Refuses to copy what the database's own tools have to copy.
    fn check_backups(&self, sources: &Sources<'_>) -> Result<(), ConfigError> {
        let (Some(_), DatabaseUrl::Postgres(_)) = (&self.backup_dir, &self.database_url) else {
            return Ok(());
        };
        let reason = "is for a SQLite file; PostgreSQL has tools of its own for backups";
        Err(sources.find(&Self::backup_dir)?.refused(reason))
    }

    /// Refuses entries that would expire before they are stale.
    fn check_lifetimes(&self, sources: &Sources<'_>) -> Result<(), ConfigError> {
        match (self.stale_after, self.ttl) {
            (Some(stale_after), Some(ttl)) if ttl <= stale_after => {}
            _ => return Ok(()),
        }
        let stale_after = sources.find(&Self::stale_after)?;
        Err(sources.find(&Self::ttl)?.refused(&format!(
            "ttl must be above stale_after, which is {} ({}); 0 turns either off",
            stale_after.text, stale_after.origin,
        )))
    }
}
