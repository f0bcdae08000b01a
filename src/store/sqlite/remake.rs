//! Replaces a database file by a new one, which is written beside it and compared with it.
//!
//! The old file stays as it is until the new one is complete and on disk.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Row};

use super::connection::open_left;
use super::create;
use super::file::{DatabaseFile, beside};
use super::inspect::{Rejected, check_header};
use super::open::take_lock;
use super::sql::{self, transition_as_json};
use crate::store::OpenError;

/// Reads the history from its table alone. Its indexes can be rebuilt from that.
pub(super) const HISTORY: &str = concat!(
    "select ",
    transition_as_json!(),
    " as transition from transitions not indexed order by id"
);

/// Runs work on a database that no process has open, and on a new file beside it. After an error,
/// the new file is removed.
pub(super) async fn remake<T>(
    path: &Path,
    work: impl AsyncFnOnce(&Path, &Path) -> Result<T, Rejected>,
) -> Result<T, OpenError> {
    let (resolved, _lock) = take_lock(path)?;
    let unfinished = beside(&resolved, ".new");
    let begun = async {
        if !resolved.try_exists()? {
            return Err(Rejected::Unreadable("there is no such file".into()));
        }
        check_header(&resolved)?;
        work(&resolved, &unfinished).await
    };
    let outcome = begun.await;
    if outcome.is_err() {
        // It takes space. If this fails, the next start tries again.
        create::remove_unfinished(&unfinished).ok();
    }
    outcome.map_err(|unfit| unfit.at(path))
}

/// Returns the URL of a file, for statements that name one.
pub(super) fn url(path: &Path) -> String {
    let name = percent_encode(path.as_os_str().as_encoded_bytes(), NON_ALPHANUMERIC);
    format!("file:{name}")
}

/// The error for a new file whose content is not that of the old one.
pub(super) fn not_a_copy() -> Rejected {
    Rejected::Unreadable("what was copied is not what was read".into())
}

/// Gives a new file the owner and permissions of the old one, and syncs it.
pub(super) fn finish(path: &Path, unfinished: &Path) -> Result<(), Rejected> {
    create::take_access(path, unfinished)?;
    Ok(File::open(unfinished)?.sync_all()?)
}

/// Copies all of the log into its database and removes it: a new file must never be beside the log
/// of the old one.
pub(super) async fn take_log_in(path: &Path) -> Result<(), Rejected> {
    let log = beside(path, "-wal");
    if !log.try_exists()? {
        return Ok(());
    }
    let mut connection = open_left(&Arc::new(DatabaseFile::new(path.to_owned())?)).await?;
    let outcome = sqlx::query(sql::EMPTY_LOG).fetch_one(&mut connection).await?;
    let is_held_up: bool = outcome.try_get(0)?;
    connection.close().await?;
    let is_empty = log.metadata().map_or(true, |metadata| metadata.len() == 0);
    if is_held_up || !is_empty {
        return Err(Rejected::Unreadable("its log is in use by another program".into()));
    }
    Ok(create::remove_if_there(&log)?)
}

/// Whether all pages are sound and the indexes match their tables.
pub(super) async fn is_sound(connection: &mut SqliteConnection) -> bool {
    let verdict = sqlx::query_scalar::<_, String>("pragma main.integrity_check(1)");
    verdict.fetch_one(connection).await.is_ok_and(|verdict| verdict == "ok")
}
