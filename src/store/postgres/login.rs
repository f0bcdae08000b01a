//! Where a database is, and how the program logs in there.
//!
//! This module must not know where these values are written, and must not open anything.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Where a server listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Host {
    /// A name or an address, and a port.
    Tcp(String, u16),
    /// The folder of a Unix socket, and the port that is in the socket's name.
    Socket(PathBuf, u16),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(name, port) if name.contains(':') => write!(f, "[{name}]:{port}"),
            Self::Tcp(name, port) => write!(f, "{name}:{port}"),
            Self::Socket(folder, port) => write!(f, "{}/.s.PGSQL.{port}", folder.display()),
        }
    }
}

/// What is asked of a TCP connection: the `sslmode` of libpq. A Unix socket has no TLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tls {
    /// `disable`: no TLS.
    Off,
    /// `prefer`: TLS if the server offers it, with any certificate.
    IfOffered,
    /// `require`: TLS with any certificate.
    AnyCertificate,
    /// `verify-ca`: a certificate of a trusted authority, for any host.
    TrustedAuthority,
    /// `verify-full`: a certificate of a trusted authority for the host's name.
    TrustedHost,
}

/// A database, and how the program logs in there, but for what is in files.
#[derive(Clone, Debug)]
pub struct Login {
    /// The servers, of which one is the primary.
    pub hosts: Vec<Host>,
    /// What is asked of connections by TCP.
    pub tls: Tls,
    /// The role.
    pub user: String,
    /// The database's name.
    pub database: String,
    /// What the server's own views call the program.
    pub application_name: String,
    /// How long a host may take until the program is logged in.
    pub connect_timeout: Duration,
}

impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<String> = self.hosts.iter().map(Host::to_string).collect();
        write!(f, "{} on {}", self.database, hosts.join(", "))
    }
}

/// What a login needs and files hold. It is read again for each connection.
#[derive(Clone, Default)]
pub struct LoginFiles {
    /// The password.
    pub password: Option<String>,
    /// The authorities that are trusted, in PEM.
    pub root_certificates: Option<Vec<u8>>,
    /// The program's own certificate and its key, in PEM.
    pub client_certificate: Option<(Vec<u8>, Vec<u8>)>,
}

impl fmt::Debug for LoginFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let password = self.password.as_ref().map(|_| "***");
        f.debug_struct("LoginFiles").field("password", &password).finish_non_exhaustive()
    }
}
