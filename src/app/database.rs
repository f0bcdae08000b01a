//! Opens the store that the settings name.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use super::error::AppError;
use crate::config::{DatabaseUrl, LoginSecrets, Place, PostgresUrl, SslMode};
use crate::store::postgres::{
    ConnectError, Host, Login, LoginFiles, PostgresStore, Session, SessionLimits, Target, Tls,
};
use crate::store::sqlite::SqliteStore;
use crate::store::{Archive, Incoming, Outgoing, Store};

/// The limits of the first look at a server.
const AT_FIRST: SessionLimits = SessionLimits {
    statement: Duration::from_secs(5),
    lock: Duration::from_secs(5),
    idle_in_transaction: Duration::from_secs(5),
};

/// Opens the store that a URL names, and the archive of its history.
pub(super) async fn open(url: DatabaseUrl) -> Result<(Arc<dyn Store>, Arc<dyn Archive>), AppError> {
    match url {
        DatabaseUrl::Sqlite(path) => {
            let runtime = Handle::current();
            // On its own thread: a disk that hangs must not keep the program from hearing signals.
            let store = on_own_thread(move || runtime.block_on(SqliteStore::open(&path))).await?;
            let store = Arc::new(store?);
            Ok((Arc::<SqliteStore>::clone(&store), store))
        }
        DatabaseUrl::Postgres(url) => {
            let target = target(*url).await?;
            look_at(&target).await.map_err(|error| error.at_start(&target))?;
            let store = Arc::new(PostgresStore::open(target).await?);
            Ok((Arc::<PostgresStore>::clone(&store), store))
        }
    }
}

/// Begins to read everything from the database that a URL names.
///
/// # Errors
/// See [`AppError`].
pub async fn outgoing(url: DatabaseUrl) -> Result<Box<dyn Outgoing>, AppError> {
    Ok(match url {
        DatabaseUrl::Sqlite(path) => SqliteStore::outgoing(&path).await?,
        DatabaseUrl::Postgres(url) => PostgresStore::outgoing(target(*url).await?).await?,
    })
}

/// Begins to fill the database that a URL names, which holds nothing.
///
/// # Errors
/// See [`AppError`].
pub async fn incoming(url: DatabaseUrl) -> Result<Box<dyn Incoming>, AppError> {
    Ok(match url {
        DatabaseUrl::Sqlite(path) => SqliteStore::incoming(&path).await?,
        DatabaseUrl::Postgres(url) => PostgresStore::incoming(target(*url).await?).await?,
    })
}

/// Makes sure that the server can be used, and says which it is.
async fn look_at(target: &Target) -> Result<(), ConnectError> {
    let session = target.connect_first(&AT_FIRST).await?;
    let Session { connection: _, host, server } = &session;
    let in_tls = if server.is_encrypted { "in TLS" } else { "without TLS" };
    log::info!("Database: {target}; PostgreSQL {} at {host}, {in_tls}", server.version);
    if !server.syncs {
        log::warn!(
            "fsync is off at {host}: a crash of its machine loses updates that were confirmed"
        );
    }
    session.close().await;
    Ok(())
}

async fn on_own_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, AppError> {
    spawn_blocking(work).await.map_err(|_| AppError::TaskDied("opening of the database"))
}

/// Checks the files of a login, warns of what others on the network may do, and returns what opens
/// sessions.
async fn target(url: PostgresUrl) -> Result<Target, AppError> {
    let url = Arc::new(url);
    let checked = Arc::clone(&url);
    on_own_thread(move || checked.check_files()).await??;
    if let Some(weakness) = url.weakness() {
        log::warn!("The connection to the database is not safe: {weakness}");
    }
    let login = Login {
        hosts: url.places().iter().map(host).collect(),
        tls: tls(url.ssl_mode()),
        user: url.user().to_owned(),
        database: url.database().to_owned(),
        application_name: url.application_name().to_owned(),
        connect_timeout: url.connect_timeout(),
    };
    Ok(Target::new(login, move |host| read_files(&url, host)))
}

/// Reads the files of a login, each time anew.
fn read_files(url: &PostgresUrl, host: &Host) -> Result<LoginFiles, String> {
    let secrets = match host {
        Host::Tcp(name, port) => url.secrets(name, *port),
        Host::Socket(folder, port) => url.secrets(&folder.to_string_lossy(), *port),
    };
    let LoginSecrets { password, root_certificates, client_certificate } =
        secrets.map_err(|error| error.to_string())?;
    Ok(LoginFiles { password, root_certificates, client_certificate })
}

fn host(place: &Place) -> Host {
    if place.is_socket() {
        Host::Socket(place.host.clone().into(), place.port())
    } else {
        Host::Tcp(place.host.clone(), place.port())
    }
}

fn tls(mode: SslMode) -> Tls {
    match mode {
        SslMode::Disable => Tls::Off,
        SslMode::Prefer => Tls::IfOffered,
        SslMode::Require => Tls::AnyCertificate,
        SslMode::VerifyCa => Tls::TrustedAuthority,
        SslMode::VerifyFull => Tls::TrustedHost,
    }
}
