//! Opens sessions with the primary among the hosts of a database.
//!
//! sqlx knows one host, and waits for it without end; both are done here.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::connect_error::{Cause, ConnectError, Failure};
use super::login::{Host, Login, LoginFiles, Tls};
use super::pooler;
use super::server::{Server, SessionLimits, Standing, Unfit, set_up};

/// How many threads may read files of logins.
const MOST_READING: usize = 4;

/// Reads the files of a login for a host. An error is a sentence without any of their content.
type ReadFiles = dyn Fn(&Host) -> Result<LoginFiles, String> + Send + Sync;

/// A database, and all that is needed to log in there.
pub struct Target {
    login: Login,
    files: Arc<ReadFiles>,
    /// Bounds the threads that read files, which hang where their disk hangs.
    reading: Arc<Semaphore>,
    /// The host that was the primary when it was last reached.
    last_primary: AtomicUsize,
}

/// A session with the primary.
#[derive(Debug)]
pub struct Session {
    /// The connection.
    pub connection: PgConnection,
    /// Its host.
    pub host: Host,
    /// What the server says about itself.
    pub server: Server,
}

impl Session {
    /// Ends the session.
    pub async fn close(self) {
        // After an error the server ends it.
        self.connection.close().await.ok();
    }
}

/// The outcome of a host that was reached.
enum Reached {
    Primary(Session),
    Unfit(Unfit),
}

impl Target {
    /// Takes a login and what reads its files, on a thread that may wait for a disk.
    #[must_use]
    pub fn new(
        login: Login,
        files: impl Fn(&Host) -> Result<LoginFiles, String> + Send + Sync + 'static,
    ) -> Self {
        let reading = Arc::new(Semaphore::new(MOST_READING));
        Self { login, files: Arc::new(files), reading, last_primary: AtomicUsize::new(0) }
    }

    /// Returns how long a host has to take a login.
    pub(super) fn connect_timeout(&self) -> Duration {
        self.login.connect_timeout
    }

    /// Opens a session with the primary. Tries the host that was the primary last, then the others in
    /// their order.
    ///
    /// # Errors
    /// None of the hosts is a primary that takes the program within its time.
    pub async fn connect(&self, limits: &SessionLimits) -> Result<Session, ConnectError> {
        let last = self.last_primary.load(Ordering::Relaxed);
        let hosts = self.login.hosts.iter().enumerate();
        let (first, others): (Vec<_>, Vec<_>) = hosts.partition(|(place, _)| *place == last);
        let (mut failures, mut refused) = (Vec::new(), None);
        for (place, host) in first.into_iter().chain(others) {
            match self.try_host(host, limits).await {
                Ok(Reached::Primary(session)) => {
                    self.last_primary.store(place, Ordering::Relaxed);
                    return Ok(session);
                }
                Ok(Reached::Unfit(unfit)) => {
                    refused = Some(ConnectError::Unfit { host: host.clone(), unfit });
                }
                Err(cause) => failures.push(Failure { host: host.clone(), cause }),
            }
        }
        Err(refused.unwrap_or(ConnectError::Unreachable(failures)))
    }

    /// Opens the first session of a start, and makes sure that a session stays one: a pooler may
    /// stand in between.
    ///
    /// # Errors
    /// As [`Target::connect`], and if a pooler mixes sessions.
    pub async fn connect_first(&self, limits: &SessionLimits) -> Result<Session, ConnectError> {
        let mut first = self.connect(limits).await?;
        let mut other = self.connect(limits).await?;
        let limit = self.login.connect_timeout;
        let asked = timeout(limit, pooler::mixes(&mut first.connection, &mut other.connection));
        let cause = match asked.await {
            Ok(Ok(false)) => {
                other.close().await;
                return Ok(first);
            }
            Ok(Ok(true)) => {
                return Err(ConnectError::Unfit { host: first.host, unfit: Unfit::Pooled });
            }
            Ok(Err(error)) => Cause::of_login(&error, &LoginFiles::default()),
            Err(_) => Cause::Silent(limit),
        };
        Err(ConnectError::Unreachable(vec![Failure { host: first.host, cause }]))
    }

    /// Logs in at a host, within the time that it has for this.
    async fn try_host(&self, host: &Host, limits: &SessionLimits) -> Result<Reached, Cause> {
        let limit = self.login.connect_timeout;
        let outcome = timeout(limit, self.reach(host, limits)).await;
        outcome.unwrap_or(Err(Cause::Silent(limit)))
    }

    async fn reach(&self, host: &Host, limits: &SessionLimits) -> Result<Reached, Cause> {
        let files = self.read_files(host).await.map_err(Cause::Files)?;
        let explained = |error: sqlx::Error| Cause::of_login(&error, &files);
        let mut connection = self.options(host, &files).connect().await.map_err(explained)?;
        match set_up(&mut connection, limits).await.map_err(explained)? {
            Ok(Standing::Primary(server)) => {
                Ok(Reached::Primary(Session { connection, host: host.clone(), server }))
            }
            Ok(Standing::Standby) => Err(Cause::Standby),
            Err(unfit) => Ok(Reached::Unfit(unfit)),
        }
    }

    async fn read_files(&self, host: &Host) -> Result<LoginFiles, String> {
        let died = || "the files of the login cannot be read".to_owned();
        let place = Arc::clone(&self.reading).acquire_owned().await.map_err(|_| died())?;
        let (read, host) = (Arc::clone(&self.files), host.clone());
        let read = move || {
            let files = read(&host);
            drop(place);
            files
        };
        spawn_blocking(read).await.unwrap_or_else(|_| Err(died()))
    }

    /// Every property is set, because sqlx takes those that are missing from the environment.
    fn options(&self, host: &Host, files: &LoginFiles) -> PgConnectOptions {
        let Login { hosts: _, tls, user, database, application_name, connect_timeout: _ } =
            &self.login;
        let options = PgConnectOptions::new_without_pgpass()
            .username(user)
            .database(database)
            .application_name(application_name)
            // A pooler refuses this property.
            .extra_float_digits(None)
            .disable_statement_logging();
        let mut options = match host {
            Host::Tcp(name, port) => options.host(name).port(*port).ssl_mode(mode(*tls)),
            Host::Socket(folder, port) => {
                options.socket(folder).port(*port).ssl_mode(PgSslMode::Disable)
            }
        };
        if let Some(password) = &files.password {
            options = options.password(password);
        }
        if let Some(roots) = &files.root_certificates {
            options = options.ssl_root_cert_from_pem(roots.clone());
        }
        if let Some((certificate, key)) = &files.client_certificate {
            options = options.ssl_client_cert_from_pem(certificate).ssl_client_key_from_pem(key);
        }
        options
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.login.fmt(f)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("login", &self.login).finish_non_exhaustive()
    }
}

fn mode(tls: Tls) -> PgSslMode {
    match tls {
        Tls::Off => PgSslMode::Disable,
        Tls::IfOffered => PgSslMode::Prefer,
        Tls::AnyCertificate => PgSslMode::Require,
        Tls::TrustedAuthority => PgSslMode::VerifyCa,
        Tls::TrustedHost => PgSslMode::VerifyFull,
    }
}
