//! The opening of a SQLite store: lock, look, make or migrate, connect.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize};
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteRow, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, Executor, Row};
use tokio::sync::Mutex;

use super::file::{DatabaseFile, Lock, beside};
use super::inspect::{Found, Rejected, inspect};
use super::readers::Readers;
use super::sightings::Sightings;
use super::store::{SqliteStore, WriteConnection, Writing};
use super::stored_entries::{Everything, read_all};
use super::upkeep::{LARGE_LOG, Sizes};
use super::{create, repair, sql, wal};
use crate::store::{OpenError, StoreError};

pub(super) static MIGRATOR: Migrator = sqlx::migrate!("migrations/sqlite");

/// What must be in force on the writing connection: a pragma and its value.
///
/// WAL and FULL (2) carry the promise that a confirmed commit survives a power cut. A damaged or
/// hostile file must not run code of its schema, and cells are checked as they are read.
const REQUIRED: [(&str, &str); 4] = [
    ("pragma journal_mode", "wal"),
    ("pragma synchronous", "2"),
    ("pragma trusted_schema", "0"),
    ("pragma cell_size_check", "1"),
];

/// The oldest SQLite without the bug that can corrupt a database when its log is reset.
const MINIMUM_SQLITE: (u32, u32, u32) = (3, 51, 3);

impl SqliteStore {
    /// Opens a database file, and makes it if there is none.
    ///
    /// # Errors
    /// See [`OpenError`]; a database that is refused is the same, byte for byte, afterwards.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        let (resolved, lock) = take_lock(path)?;
        let store = Self::open_locked(&resolved, lock).await;
        store.map_err(|unfit| unfit.at(path))
    }

    async fn open_locked(path: &Path, lock: Lock) -> Result<Self, Rejected> {
        let lost_commits = wal::lost_commits(path)?;
        let found = inspect(path, &MIGRATOR).await?;
        if matches!(found, Found::Nothing) {
            create::create(path, &MIGRATOR).await?;
        } else {
            // A kill may have left it; it takes as much room as the database.
            create::remove_unfinished(&beside(path, ".new")).ok();
        }
        let file = Arc::new(DatabaseFile::new(path.to_owned())?);
        if matches!(found, Found::Older) {
            migrate(&file).await?;
        }
        let mut connection = connect(&file).await?;
        if lost_commits > 0 {
            log::warn!(
                "The database's log is damaged: up to {lost_commits} commits that had been \
                 confirmed are lost. Updates after them bring their entries up to date"
            );
            // The log begins anew, so that the next start does not find these again.
            connection.execute("pragma wal_checkpoint(truncate)").await?;
        }
        let Everything { loaded, unfolded } = match found {
            Found::Current(everything) => everything,
            Found::Older | Found::Nothing => read_all(&mut connection).await?,
        };
        let sizes = Sizes::default();
        sizes.look(&mut connection).await?;
        let sightings = Sightings::of_log(loaded.entries.len(), unfolded, loaded.revision);
        let writing = Writing { connection, sightings };
        Ok(Self {
            file,
            store_id: loaded.store_id.clone(),
            connection: Mutex::new(WriteConnection::Open(Box::new(writing))),
            confirmed: AtomicI64::new(loaded.revision.0),
            entries: AtomicUsize::new(loaded.entries.len()),
            preloaded: Mutex::new(Some(loaded)),
            readers: Readers::new(),
            lost_commits,
            sizes,
            lock: Mutex::new(Some(lock)),
        })
    }
}

/// Takes the lock of a database for this process, and returns the path behind all links.
pub(super) fn take_lock(path: &Path) -> Result<(PathBuf, Lock), OpenError> {
    let unusable = |error: std::io::Error| Rejected::from(error).at(path);
    let resolved = resolve(path).map_err(unusable)?;
    let lock = Lock::take(&resolved).map_err(unusable)?;
    let lock = lock.ok_or_else(|| OpenError::InUse(path.display().to_string()))?;
    repair::undo_killed(&resolved).map_err(unusable)?;
    Ok((resolved, lock))
}

async fn migrate(file: &Arc<DatabaseFile>) -> Result<(), StoreError> {
    let mut connection = open_connection(file).await?;
    MIGRATOR.run(&mut connection).await.map_err(|error| StoreError::Unavailable(error.into()))?;
    // An older version looks at the file without the log first, and must find the new schema.
    connection.execute("pragma wal_checkpoint(truncate)").await?;
    connection.close().await?;
    Ok(())
}

/// Returns the path with all links resolved, so that two names of a database share its lock.
fn resolve(path: &Path) -> std::io::Result<PathBuf> {
    if path.is_symlink() || path.exists() {
        return path.canonicalize();
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    let name = path.file_name().ok_or(std::io::ErrorKind::IsADirectory)?;
    Ok(folder.canonicalize()?.join(name))
}

/// Makes the writing connection of a database that has the present schema.
pub(super) async fn connect(file: &Arc<DatabaseFile>) -> Result<SqliteConnection, StoreError> {
    let mut connection = open_connection(file).await?;
    connection.execute(sql::PREPARE).await?;
    // A write at once: it shows that the file can be written, and makes the log that is noted.
    connection.execute(sql::TOUCH).await?;
    file.ask(DatabaseFile::note_log).await?;
    // Asked by the thread behind the connection, before it writes: an update that is sent after the
    // files were taken away is refused. To ask from here would be a hop to a thread for each commit.
    let written = Arc::clone(file);
    connection.lock_handle().await?.set_commit_hook(move || written.check().is_ok());
    Ok(connection)
}

/// Makes a connection that only reads.
pub(super) async fn connect_to_read(
    file: &Arc<DatabaseFile>,
) -> Result<SqliteConnection, StoreError> {
    let options = options(file).pragma("query_only", "on").pragma("cache_size", "-16384");
    Ok(options.connect().await?)
}

/// Makes a connection that reads everything once, and keeps little of it.
pub(super) async fn connect_to_look_through(
    file: &Arc<DatabaseFile>,
) -> Result<SqliteConnection, StoreError> {
    let options = options(file).pragma("query_only", "on").pragma("cache_size", "-4096");
    // An entry can be a megabyte long.
    Ok(options.row_buffer_size(8).connect().await?)
}

/// Opens a connection and makes sure that it is as durable as it must be.
async fn open_connection(file: &Arc<DatabaseFile>) -> Result<SqliteConnection, StoreError> {
    let mut connection = options(file).pragma("cache_size", "-65536").connect().await?;
    check_settings(&mut connection).await?;
    Ok(connection)
}

fn options(file: &Arc<DatabaseFile>) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file.path())
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(5))
        .pragma("trusted_schema", "off")
        .pragma("cell_size_check", "on")
        // Nothing is written outside the data folder: the root file system may be read-only.
        .pragma("temp_store", "memory")
        // A quarter of what is usual, see `docs/decisions/0010-checkpoints.md`.
        .pragma("wal_autocheckpoint", "250")
        .pragma("journal_size_limit", LARGE_LOG.to_string())
        .disable_statement_logging()
}

async fn check_settings(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let version: String =
        sqlx::query_scalar("select sqlite_version()").fetch_one(&mut *connection).await?;
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    let mut part = || parts.next().unwrap_or(0);
    if (part(), part(), part()) < MINIMUM_SQLITE {
        return Err(StoreError::Unavailable(format!("SQLite {version} is too old").into()));
    }
    for (pragma, required) in REQUIRED {
        let row = connection.fetch_one(pragma).await?;
        let value = in_words(&row)?;
        if value != required {
            let message = format!("{pragma} is {value} where {required} was asked for");
            return Err(StoreError::Unavailable(message.into()));
        }
    }
    Ok(())
}

/// Returns the only value of a row as text, whatever its type.
fn in_words(row: &SqliteRow) -> Result<String, sqlx::Error> {
    row.try_get_unchecked::<String, _>(0)
}
