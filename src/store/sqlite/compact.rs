//! Makes a database file as small as its content.
//!
//! The content is copied into a new file, which returns free pages from then on. SQLite cannot
//! switch this on in a file that has tables.

use std::fs;
use std::io;
use std::path::Path;

use futures_util::TryStreamExt;
use sqlx::sqlite::SqliteConnection;
use sqlx::{ConnectOptions, Connection, Executor};

use super::file::beside;
use super::inspect::{self, Rejected, Schema, check_schema};
use super::open::MIGRATOR;
use super::remake::{self, HISTORY, is_sound, remake};
use super::store::SqliteStore;
use super::stored_entries::read_all;
use super::{create, records, result_code as code, wal};
use crate::store::{OpenError, StoreError};

/// The size of a database with its log, in bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Compacted {
    /// Before it was compacted.
    pub before: u64,
    /// After it was compacted.
    pub after: u64,
}

impl SqliteStore {
    /// Replaces a database file by one without free pages. It is the same store with the same
    /// content.
    ///
    /// # Errors
    /// See [`OpenError`]. An error leaves the database as it was.
    pub async fn compact(path: &Path) -> Result<Compacted, OpenError> {
        remake(path, compact).await
    }
}

async fn compact(path: &Path, unfinished: &Path) -> Result<Compacted, Rejected> {
    if wal::lost_commits(path)? > 0 {
        let reason = "its log is damaged: start the server, which says what is lost, and stop it";
        return Err(Rejected::Unreadable(reason.into()));
    }
    create::remove_unfinished(unfinished)?;
    let before = bytes(path)? + bytes(&beside(path, "-wal")).unwrap_or(0);
    let mut old = inspect::options(path)?.connect().await?;
    if matches!(check_schema(&mut old, &MIGRATOR).await?, Schema::Older) {
        let reason = "it is of an older version: start the server, which brings it up to date, \
                      and stop it";
        return Err(Rejected::Unreadable(reason.into()));
    }
    copy(&mut old, unfinished).await.map_err(|error| without_room(error, before))?;
    let mut new = inspect::options(unfinished)?.connect().await?;
    if !is_copy(&mut new, &mut old).await? {
        return Err(remake::not_a_copy());
    }
    new.close().await?;
    old.close().await?;
    remake::finish(path, unfinished)?;
    remake::take_log_in(path).await?;
    fs::rename(unfinished, path)?;
    create::sync_folder_of(path)?;
    Ok(Compacted { before, after: bytes(path)? })
}

/// Copies a database into a new file that returns free pages.
async fn copy(old: &mut SqliteConnection, unfinished: &Path) -> Result<(), sqlx::Error> {
    let mode: i64 = sqlx::query_scalar("pragma auto_vacuum").fetch_one(&mut *old).await?;
    if mode == 0 {
        // This applies to the copy. It does not change a file that has tables.
        old.execute("pragma auto_vacuum = incremental").await?;
    }
    sqlx::query("vacuum into $1").bind(remake::url(unfinished)).execute(old).await?;
    Ok(())
}

fn without_room(error: sqlx::Error, bytes: u64) -> Rejected {
    if code::primary(&error) != Some(code::FULL) {
        return error.into();
    }
    let reason =
        format!("there is no room beside it for a copy, which takes {bytes} bytes at most");
    Rejected::Unreadable(reason.into())
}

/// Whether a new file is sound and has the content of the old one.
async fn is_copy(new: &mut SqliteConnection, old: &mut SqliteConnection) -> Result<bool, Rejected> {
    let (copied, original) = (read_all(new).await?.loaded, read_all(old).await?.loaded);
    let is_same_present = copied.store_id == original.store_id
        && copied.head == original.head
        && copied.entries == original.entries;
    Ok(is_same_present && has_same_history(new, old).await? && is_sound(new).await)
}

async fn has_same_history(
    new: &mut SqliteConnection,
    old: &mut SqliteConnection,
) -> Result<bool, StoreError> {
    let mut copied = sqlx::query(HISTORY).fetch(new);
    let mut original = sqlx::query(HISTORY).fetch(old);
    loop {
        match (copied.try_next().await?, original.try_next().await?) {
            (Some(copied), Some(original))
                if records::decode(&copied)? == records::decode(&original)? => {}
            (None, None) => return Ok(true),
            (Some(_) | None, Some(_) | None) => return Ok(false),
        }
    }
}

fn bytes(path: &Path) -> io::Result<u64> {
    Ok(fs::metadata(path)?.len())
}
