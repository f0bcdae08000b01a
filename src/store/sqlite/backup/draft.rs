//! A copy that is not whole yet: its file, the room that it needs, and its checks.

use std::fs::{self, File, Permissions};
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};
use tokio_util::sync::CancellationToken;

use crate::store::sqlite::aside::blocking;
use crate::store::sqlite::file::beside;
use crate::store::sqlite::inspect::{Rejected, check_header, check_schema};
use crate::store::sqlite::open::MIGRATOR;
use crate::store::sqlite::{create, result_code as code, sql};
use crate::store::{BackupError, StoreError};

/// What a copy leaves free: the database's write-ahead log may take as much.
const RESERVE: u64 = 64 << 20;
/// What the disk has said that there is no room for.
const FULL: BackupError = BackupError::NoRoom { needed: RESERVE, free: 0 };
/// How much is read at once for the digest.
const PIECE: usize = 1 << 20;
/// The number of SQLite's steps between two pauses of a check: some milliseconds of work.
const STEPS: i32 = 100_000;
/// The length of such a pause.
const PAUSE: Duration = Duration::from_millis(1);
/// The files that SQLite may have beside a database.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// The file of a copy. It is removed unless it is put in its place.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) path: PathBuf,
}

impl Draft {
    /// Creates the file, which only the user of this program can read, in the place of one that a kill
    /// has left.
    pub(super) fn create(path: PathBuf) -> io::Result<(Self, File)> {
        remove_draft(&path)?;
        let mut options = File::options();
        let file = options.read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        Ok((Self { path }, file))
    }

    /// Gives the file its name, which another file may have.
    pub(super) fn put(self, path: &Path) -> io::Result<()> {
        fs::rename(&self.path, path)?;
        create::sync_folder_of(path)
    }

    /// Takes the name away. The file is there until it is closed.
    pub(super) fn unname(self) -> io::Result<File> {
        File::open(&self.path)
    }

    /// Takes the log beside the copy into it, checks all of it, and makes it durable. Returns its
    /// revision.
    pub(super) async fn settle(&self, stop: &CancellationToken) -> Result<i64, BackupError> {
        let checked = self.check(stop).await;
        let checked = checked.map_err(|error| because(error, stop))?;
        let path = self.path.clone();
        blocking(move || File::open(path)?.sync_all()).await??;
        Ok(checked)
    }

    /// Returns how the copy is opened. Its content may be somebody else's.
    pub(super) fn options(&self) -> SqliteConnectOptions {
        SqliteConnectOptions::new()
            .filename(&self.path)
            .create_if_missing(false)
            .journal_mode(SqliteJournalMode::Delete)
            .pragma("trusted_schema", "off")
            .pragma("cell_size_check", "on")
            .pragma("temp_store", "memory")
            .disable_statement_logging()
    }

    async fn check(&self, stop: &CancellationToken) -> Result<i64, Rejected> {
        check_header(&self.path)?;
        // It is synced once, at the end.
        let options = self.options().synchronous(SqliteSynchronous::Off);
        let mut connection = options.pragma("cache_size", "-4096").connect().await?;
        let stopped = stop.clone();
        let goes_on = move || {
            thread::sleep(PAUSE);
            !stopped.is_cancelled()
        };
        let mut handle = connection.lock_handle().await?;
        handle.set_progress_handler(STEPS, goes_on);
        drop(handle);
        let checked = look_through(&mut connection).await?;
        connection.close().await?;
        Ok(checked)
    }

    /// Returns the size of the copy and its SHA-256.
    pub(super) async fn digest(
        &self,
        stop: &CancellationToken,
    ) -> Result<(u64, [u8; 32]), BackupError> {
        let (path, stop) = (self.path.clone(), stop.clone());
        blocking(move || digest(&path, &stop)).await??.ok_or(BackupError::GivenUp)
    }
}

/// A full disk is told apart from other errors.
impl From<io::Error> for BackupError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::StorageFull { FULL } else { Self::Failed(error.into()) }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // If this fails, the next start or the next copy tries again.
        remove_draft(&self.path).ok();
    }
}

/// Checks every page, and returns the revision.
async fn look_through(connection: &mut SqliteConnection) -> Result<i64, Rejected> {
    check_schema(connection, &MIGRATOR).await?;
    let verdict = sqlx::query_scalar::<_, String>("pragma quick_check(1)");
    let verdict = verdict.fetch_one(&mut *connection).await?;
    if verdict != "ok" {
        return Err(Rejected::refused(verdict.replace('\n', " "), ""));
    }
    Ok(sqlx::query_scalar(sql::REVISION).fetch_one(connection).await?)
}

fn because(error: Rejected, stop: &CancellationToken) -> BackupError {
    match error {
        _ if stop.is_cancelled() => BackupError::GivenUp,
        Rejected::Refused { reason, .. } => BackupError::Damaged(reason),
        Rejected::Unreadable(cause) => match cause.downcast::<sqlx::Error>() {
            Ok(error) if code::primary(&error) == Some(code::FULL) => FULL,
            Ok(error) => BackupError::Failed(StoreError::from(*error)),
            Err(cause) => BackupError::Failed(StoreError::Unavailable(cause)),
        },
    }
}

/// Makes sure that there is room for more bytes beside what is left free.
pub(super) fn check_room(path: &Path, bytes: u64) -> Result<(), BackupError> {
    let free = free(path).unwrap_or(u64::MAX);
    let needed = bytes.saturating_add(RESERVE);
    if free < needed { Err(BackupError::NoRoom { needed, free }) } else { Ok(()) }
}

fn free(path: &Path) -> Option<u64> {
    let system = rustix::fs::statvfs(create::folder_of(path)).ok()?;
    Some(system.f_bavail.saturating_mul(system.f_frsize))
}

fn digest(path: &Path, stop: &CancellationToken) -> io::Result<Option<(u64, [u8; 32])>> {
    let mut file = File::open(path)?;
    let (mut digest, mut piece) = (Sha256::new(), vec![0; PIECE]);
    while !stop.is_cancelled() {
        let count = file.read(&mut piece)?;
        if count == 0 {
            return Ok(Some((file.stream_position()?, digest.finalize().into())));
        }
        digest.update(piece.get(..count).unwrap_or_default());
    }
    Ok(None)
}

/// Removes the drafts beside a database that a kill has left.
pub(in crate::store::sqlite) fn remove_drafts(database: &Path) -> io::Result<()> {
    remove_draft(&unnamed(database))?;
    remove_draft(&beside(database, ".restoring"))
}

/// Returns the path of the draft of a copy that will have no name.
pub(super) fn unnamed(database: &Path) -> PathBuf {
    beside(database, ".backup")
}

fn remove_draft(path: &Path) -> io::Result<()> {
    BESIDE.iter().try_for_each(|end| create::remove_if_there(&beside(path, end)))?;
    create::remove_if_there(path)
}
