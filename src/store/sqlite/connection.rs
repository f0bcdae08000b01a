//! Connections to a database, and the settings that its durability rests on.

use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteRow, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection as _, Executor, Row};

use super::file::DatabaseFile;
use super::upkeep::LARGE_LOG;
use super::{inspect, sql, upkeep};
use crate::store::StoreError;

/// The required value of each pragma on the writing connection.
///
/// With WAL and FULL (2), a confirmed commit survives a power cut. The other two keep a hostile
/// file from running code in its schema, and have SQLite check cells as it reads them.
const REQUIRED: [(&str, &str); 4] = [
    ("pragma journal_mode", "wal"),
    ("pragma synchronous", "2"),
    ("pragma trusted_schema", "0"),
    ("pragma cell_size_check", "1"),
];

/// The oldest SQLite without the bug that can corrupt a database when its log is reset.
const MINIMUM_SQLITE: (u32, u32, u32) = (3, 51, 3);

/// Opens the writing connection of a database with the current schema.
pub(super) async fn connect(file: &Arc<DatabaseFile>) -> Result<SqliteConnection, StoreError> {
    let mut connection = open_connection(file).await?;
    let prepared = prepare(file, &mut connection).await;
    keep_if(prepared, connection).await
}

async fn prepare(
    file: &Arc<DatabaseFile>,
    connection: &mut SqliteConnection,
) -> Result<(), StoreError> {
    connection.execute(sql::PREPARE).await?;
    // A write without a change: it proves that the file is writable, and creates the log.
    connection.execute("update meta set revision = revision").await?;
    file.ask(DatabaseFile::note_log).await?;
    // Runs on the connection's thread before each commit: no update is confirmed once the files are
    // gone. A check from here would cost each commit a hop to another thread.
    let written = Arc::clone(file);
    connection.lock_handle().await?.set_commit_hook(move || written.check().is_ok());
    Ok(())
}

/// Returns a connection after a success, and closes it after an error. One that is dropped closes at some
/// later moment, and could then be the last ([`hold`]).
async fn keep_if(
    outcome: Result<(), StoreError>,
    connection: SqliteConnection,
) -> Result<SqliteConnection, StoreError> {
    match outcome {
        Ok(()) => Ok(connection),
        Err(error) => {
            connection.close().await.ok();
            Err(error)
        }
    }
}

/// Opens a connection that keeps a new one from being the last.
///
/// The last connection to close copies the log into the database, and may do so only once the log is
/// known to be on the disk ([`super::upkeep::renew_log`]). This one may not write, so it copies nothing.
pub(super) async fn hold(file: &Arc<DatabaseFile>) -> Result<SqliteConnection, StoreError> {
    let mut connection = inspect::options(file.path())?.connect().await?;
    // A connection has its lock on the database from its first read on.
    connection.execute(sql::META).await?;
    Ok(connection)
}

/// Opens a database that no server has open, to copy its log into it. A server that was killed may have
/// left the log, and the disk may lack some of it.
pub(super) async fn open_left(file: &Arc<DatabaseFile>) -> Result<SqliteConnection, StoreError> {
    let held = hold(file).await?;
    let mut connection = open_connection(file).await?;
    let renewed = upkeep::renew_log(file, &mut connection).await;
    let kept = keep_if(renewed, connection).await;
    held.close().await.ok();
    kept
}

/// Opens a connection that only reads. It may not write to the file either, so it never copies the log into
/// the database when it closes last ([`hold`]).
pub(super) async fn connect_to_read(
    file: &Arc<DatabaseFile>,
) -> Result<SqliteConnection, StoreError> {
    let options = options(file).read_only(true).pragma("cache_size", "-16384");
    Ok(options.connect().await?)
}

/// Opens a connection that reads everything once, with a small cache. It copies no log either.
pub(super) async fn connect_to_look_through(
    file: &Arc<DatabaseFile>,
) -> Result<SqliteConnection, StoreError> {
    let options = options(file).read_only(true).pragma("cache_size", "-4096");
    // Few rows at a time: an entry can take a megabyte.
    Ok(options.row_buffer_size(8).connect().await?)
}

/// Opens a connection that can write, and verifies its settings.
pub(super) async fn open_connection(
    file: &Arc<DatabaseFile>,
) -> Result<SqliteConnection, StoreError> {
    let mut connection = options(file).pragma("cache_size", "-65536").connect().await?;
    let checked = check_settings(&mut connection).await;
    keep_if(checked, connection).await
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
        // The root file system may be read-only.
        .pragma("temp_store", "memory")
        // A quarter of SQLite's default; see `docs/decisions/0010-checkpoints.md`.
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
