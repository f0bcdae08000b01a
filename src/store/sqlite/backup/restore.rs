//! Puts a backup where a database is, or where none is.
//!
//! The backup is copied beside the database, checked and synced. Then one rename decides: from
//! [`whole`] on, each start and each command that takes the lock completes the rest. A kill at any moment
//! leaves the old database whole or the new one.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteSynchronous;
use sqlx::{ConnectOptions, Connection};

use super::closed::{copy_with_log, size_with_log};
use super::draft::{Draft, check_room};
use super::look::{Holding, look};
use crate::domain::Timestamp;
use crate::store::OpenError;
use crate::store::sqlite::create;
use crate::store::sqlite::file::{beside, move_log_aside};
use crate::store::sqlite::incoming::check_empty;
use crate::store::sqlite::inspect::{Rejected, check_header};
use crate::store::sqlite::open::{MIGRATOR, take_lock};
use crate::store::sqlite::schema::take_steps;
use crate::store::sqlite::store::SqliteStore;

const ADD_REPLACE: &str = "Add --replace to keep it under another name and put the backup in its place, \
     or let --database-url name another file";
const TAKE_ANOTHER: &str = "Restore another backup";

/// Ids of events and cursors of before mean nothing in what was restored, and the id of the store tells
/// them apart.
const SET_META: &str = "update meta set store_id = lower(hex(randomblob(16))), restored_at = $1";

/// Where a backup is read from.
pub enum BackupSource {
    /// A file.
    File(PathBuf),
    /// A stream.
    Stream(Box<dyn Read + Send>),
}

impl BackupSource {
    fn name(&self) -> PathBuf {
        match self {
            Self::File(path) => path.clone(),
            Self::Stream(_) => "-".into(),
        }
    }
}

/// What was restored.
#[derive(Debug)]
pub struct Restored {
    /// What the backup held.
    pub holding: Holding,
    /// Where the database of before is kept, or its log if that was alone.
    pub kept: Option<PathBuf>,
}

impl SqliteStore {
    /// Puts a backup where a database file is to be, which no server has open. With `replaces`, what is
    /// there is kept under another name; without, only a database that holds nothing is replaced. What is
    /// restored expires a time to live after `at` at the earliest.
    ///
    /// # Errors
    /// See [`OpenError`]. An error leaves the database as it was.
    pub async fn restore(
        path: &Path,
        source: BackupSource,
        replaces: bool,
        at: Timestamp,
    ) -> Result<Restored, OpenError> {
        let (resolved, _lock) = take_lock(path)?;
        if !replaces {
            check_free(&resolved).await.map_err(|unfit| unfit.at(path))?;
        }
        let of_target = |unfit: Rejected| unfit.at(path);
        let (draft, file) = Draft::create(beside(&resolved, ".restoring"))
            .map_err(|error| of_target(error.into()))?;
        let name = source.name();
        let taken_in = take_in(&resolved, source, &draft, file);
        let holding = match taken_in {
            Ok(()) => prepare(&draft, at).await,
            Err(unfit) => Err(unfit),
        };
        let holding = holding.map_err(|unfit| another(unfit).at(&name))?;
        let kept = replace(&resolved, draft).map_err(|error| of_target(error.into()))?;
        Ok(Restored { holding, kept })
    }
}

/// Makes sure that nothing is replaced that holds anything.
async fn check_free(path: &Path) -> Result<(), Rejected> {
    check_empty(path).await.map_err(|unfit| match unfit {
        Rejected::Refused { reason, .. } => Rejected::refused(reason, ADD_REPLACE),
        unreadable @ Rejected::Unreadable(_) => unreadable,
    })
}

/// Copies a backup to a draft beside the database.
fn take_in(
    path: &Path,
    source: BackupSource,
    draft: &Draft,
    mut file: File,
) -> Result<(), Rejected> {
    let source = match source {
        BackupSource::File(source) => source,
        BackupSource::Stream(mut stream) => {
            io::copy(&mut stream, &mut file)?;
            return Ok(());
        }
    };
    let metadata = source.metadata()?;
    if path.metadata().is_ok_and(|own| identity(&own) == identity(&metadata)) {
        return Err(Rejected::Unreadable("it is the database itself".into()));
    }
    // A copy of both files of a database, made while no server ran, has a log.
    let room = check_room(&draft.path, size_with_log(&source)?);
    room.map_err(|error| Rejected::Unreadable(error.into()))?;
    Ok(copy_with_log(&source, draft, file)?)
}

/// Checks all of a backup, brings it up to this version, and gives it an id of its own.
async fn prepare(draft: &Draft, at: Timestamp) -> Result<Holding, Rejected> {
    check_header(&draft.path)?;
    let mut connection = draft.options().synchronous(SqliteSynchronous::Full).connect().await?;
    let mut holding = look(&mut connection).await?;
    if holding.is_older {
        take_steps(&mut connection, &MIGRATOR, None).await?;
        holding = look(&mut connection).await?;
    }
    sqlx::query(SET_META).bind(at.millis()).execute(&mut connection).await?;
    connection.close().await?;
    Ok(holding)
}

/// Puts a draft in the place of a database. Returns where that is kept.
fn replace(path: &Path, draft: Draft) -> io::Result<Option<PathBuf>> {
    if path.try_exists()? {
        create::take_access(path, &draft.path)?;
    }
    File::open(&draft.path)?.sync_all()?;
    draft.put(&whole(path))?;
    complete(path)
}

/// Says of a backup that is refused what to do instead.
fn another(unfit: Rejected) -> Rejected {
    match unfit {
        Rejected::Refused { reason, .. } => Rejected::refused(reason, TAKE_ANOTHER),
        unreadable @ Rejected::Unreadable(_) => unreadable,
    }
}

/// Returns the path of a backup that is whole and in the place of a database from now on.
fn whole(path: &Path) -> PathBuf {
    beside(path, ".restored")
}

/// Completes a restore that has been decided, if there is one. Returns where the database of before is
/// kept, or its log if that was alone.
///
/// There is a database at the path at each moment, if there was one: its second name is the one under
/// which it is kept.
pub(in crate::store::sqlite) fn complete(path: &Path) -> io::Result<Option<PathBuf>> {
    let whole = whole(path);
    if !whole.try_exists()? {
        return Ok(None);
    }
    let log = beside(path, "-wal");
    let kept = if path.exists() {
        Some(keep(path, &log)?)
    } else if log.exists() {
        // Its database is elsewhere, so it is no pair with any file here.
        Some(move_log_aside(path)?)
    } else {
        None
    };
    // What is in memory of the log of before.
    create::remove_if_there(&beside(path, "-shm"))?;
    create::sync_folder_of(path)?;
    fs::rename(whole, path)?;
    create::sync_folder_of(path)?;
    Ok(kept)
}

/// Gives a database a second name, and moves its log there: that must never lie beside another one.
fn keep(path: &Path, log: &Path) -> io::Result<PathBuf> {
    let own = path.metadata().ok().as_ref().map(identity);
    let mut number = 1;
    let kept = loop {
        let kept = beside(path, &format!(".replaced-{number}"));
        match kept.metadata() {
            // It was killed here before.
            Ok(found) if Some(identity(&found)) == own => break kept,
            Ok(_) => number += 1,
            // Left by hand: the log of another database.
            Err(_) if log.exists() && beside(&kept, "-wal").exists() => number += 1,
            Err(_) => break kept,
        }
    };
    if log.exists() {
        create::rename_to_nothing(log, &beside(&kept, "-wal"))?;
    }
    match fs::hard_link(path, &kept) {
        Err(error) if !kept.exists() && path.exists() => Err(error),
        Ok(()) | Err(_) => Ok(kept),
    }
}

fn identity(metadata: &fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}
