//! The files of a login: the password, trusted authorities, and the program's own certificate.
//!
//! They are read for each connection, so that replaced ones are used without a restart.

use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::super::error::{ConfigError, shown_path};
use super::super::text_file;
use super::pass_file;
use super::secret::Secret;
use super::url::PostgresUrl;

/// The permissions of a file of passwords that are for others than its owner.
const FOR_OTHERS: u32 = 0o077;

/// Where the password comes from.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) enum Password {
    #[default]
    None,
    Given(Secret),
    /// A file that holds it and nothing else: `database_password_file`.
    File(PathBuf),
    /// A file of passwords for many logins that something names.
    PassFile(&'static str, PathBuf),
    /// The same in the user's home, which need not be there.
    PassFileOfHome(PathBuf),
}

/// What a login needs and settings do not show.
#[derive(Clone, Default)]
pub struct LoginSecrets {
    /// The password.
    pub password: Option<String>,
    /// The trusted authorities, in PEM.
    pub root_certificates: Option<Vec<u8>>,
    /// The program's own certificate and its key, in PEM.
    pub client_certificate: Option<(Vec<u8>, Vec<u8>)>,
}

impl fmt::Debug for LoginSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginSecrets").finish_non_exhaustive()
    }
}

impl PostgresUrl {
    /// Checks that the files are there and have what they should.
    ///
    /// # Errors
    /// As [`Self::secrets`].
    pub fn check_files(&self) -> Result<(), ConfigError> {
        self.places.iter().try_for_each(|place| self.secrets(&place.host, place.port()).map(drop))
    }

    /// Reads the files of a login at a host, which may be the folder of a Unix socket.
    ///
    /// # Errors
    /// A file that cannot be read or does not have what it should.
    pub fn secrets(&self, host: &str, port: u16) -> Result<LoginSecrets, ConfigError> {
        let read = |name: &str, path: &Option<PathBuf>| {
            path.as_ref().map(|path| read(name, path)).transpose()
        };
        let root_certificates = read("sslrootcert", &self.root_certificates)?;
        if let (Some(pem), Some(path)) = (&root_certificates, &self.root_certificates)
            && !has_certificate(pem)
        {
            let reason = "has no certificate; expected a PEM file";
            return Err(refused("sslrootcert", path, reason));
        }
        let certificate = read("sslcert", &self.certificate)?;
        let key = read("sslkey", &self.key)?;
        Ok(LoginSecrets {
            password: self.read_password(host, port)?,
            root_certificates,
            client_certificate: certificate.zip(key),
        })
    }

    fn read_password(&self, host: &str, port: u16) -> Result<Option<String>, ConfigError> {
        let (name, path) = match &self.password {
            Password::None => return Ok(None),
            Password::Given(password) => return Ok(Some(password.0.clone())),
            Password::File(path) => return read_only_line(path).map(Some),
            Password::PassFile(name, path) => (*name, path),
            Password::PassFileOfHome(path) if !path.exists() => return Ok(None),
            Password::PassFileOfHome(path) => ("password file", path),
        };
        let bytes = read(name, path)?;
        let mode = path.metadata().map(|metadata| metadata.permissions().mode());
        if mode.is_ok_and(|mode| mode & FOR_OTHERS != 0) {
            return Err(refused(name, path, "others may read it; set its mode to 0600"));
        }
        let text = String::from_utf8(bytes);
        let text = text.map_err(|_| refused(name, path, "is not valid UTF-8"))?;
        Ok(pass_file::find(&text, host, port, self.database(), self.user()))
    }
}

fn refused(name: &str, path: &Path, reason: &str) -> ConfigError {
    ConfigError::new(format!("{name} {}", shown_path(path)), reason)
}

fn read(name: &str, path: &Path) -> Result<Vec<u8>, ConfigError> {
    text_file::read_regular(path)
        .map_err(|error| refused(name, path, &format!("cannot read: {error}")))
}

/// Reads a file that holds a password, without the newline that editors and `echo` add.
fn read_only_line(path: &Path) -> Result<String, ConfigError> {
    const NAME: &str = "database_password_file";
    let refused = |reason: &str| refused(NAME, path, reason);
    let text = String::from_utf8(read(NAME, path)?).map_err(|_| refused("is not valid UTF-8"))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        return Err(refused("is empty; expected a password"));
    }
    if line.contains(['\n', '\r', '\0']) {
        return Err(refused("has more than one line; expected a password and nothing else"));
    }
    Ok(line.to_owned())
}

fn has_certificate(pem: &[u8]) -> bool {
    const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
    pem.windows(BEGIN.len()).any(|bytes| bytes == BEGIN)
}
