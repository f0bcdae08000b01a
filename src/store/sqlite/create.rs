//! The making of a new database file.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};

use super::file::beside;
use crate::store::StoreError;

/// Makes a database with the whole schema and nothing in it.
///
/// It is made under another name and moved into place when it is complete and on disk, so that a
/// kill at any moment leaves either no database or a whole one, and never an empty file.
pub(super) async fn create(path: &Path, migrator: &Migrator) -> Result<(), StoreError> {
    let unfinished = beside(path, ".new");
    remove_if_there(&unfinished)?;
    remove_if_there(&beside(&unfinished, "-journal"))?;
    let options = SqliteConnectOptions::new()
        .filename(&unfinished)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Delete)
        .synchronous(SqliteSynchronous::Full);
    let mut connection = options.disable_statement_logging().connect().await?;
    migrator.run(&mut connection).await.map_err(|error| StoreError::Unavailable(error.into()))?;
    connection.close().await?;
    File::open(&unfinished)?.sync_all()?;
    fs::rename(&unfinished, path)?;
    sync_folder_of(path)?;
    Ok(())
}

/// Makes a rename durable.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
