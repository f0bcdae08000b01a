//! Keeps the files small: the log, and the free pages of the database.
//!
//! See `docs/decisions/0012-disk.md`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use sqlx::sqlite::SqliteConnection;
use sqlx::{Executor, Row};

use super::file::DatabaseFile;
use super::sql;
use super::store::SqliteStore;
use crate::mutex::locked;
use crate::store::StoreError;

/// From this size on, the log is made to restart, and its file is cut to this size.
pub(super) const LARGE_LOG: u64 = 16 << 20;
/// From this size on, readers are interrupted. The rest up to 64 MB is for the commits until they
/// have stopped.
const TOO_LARGE_LOG: u64 = 32 << 20;
/// The number of ticks after which readers are interrupted whatever the size, since others wait at
/// the gate: about a second.
const LOOKS_OF_PATIENCE: u32 = 4;
/// The number of ticks until our own readers are interrupted again for the sake of a log that
/// another program reads: about ten seconds.
const LOOKS_TO_NEXT_TRY: u32 = 40;
/// The number of free pages to keep: what the history loses, it mostly gains again.
const PAGES_KEPT: i64 = 1024;

/// The sizes that the writer keeps track of.
#[derive(Debug, Default)]
pub(super) struct Sizes {
    /// The bytes of free pages.
    reusable: AtomicU64,
    log: Mutex<Log>,
}

/// The state of the log.
#[derive(Clone, Copy, Debug, Default)]
enum Log {
    /// It is small, or its size is not known yet.
    #[default]
    Small,
    /// It restarts as soon as no connection reads from it. The gate is closed.
    Large { looks: u32, was_in_use: bool },
    /// Another program reads from it. `moved` of its pages could be copied into the database.
    Pinned { moved: i64, looks: u32 },
}

impl Sizes {
    /// Returns the bytes of free pages.
    pub(super) fn reusable_bytes(&self) -> u64 {
        self.reusable.load(Ordering::Relaxed)
    }

    /// Whether another program keeps the log from restarting.
    pub(super) fn log_is_pinned(&self) -> bool {
        matches!(*self.log(), Log::Pinned { .. })
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        locked(&self.log)
    }

    /// Measures the free pages. Returns the number of those to return to the file system.
    pub(super) async fn look(&self, connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
        let row = sqlx::query(sql::FREE_PAGES).fetch_one(connection).await?;
        let (free, page_size): (i64, i64) = (row.try_get("free")?, row.try_get("page_size")?);
        let bytes = u64::try_from(free.saturating_mul(page_size)).unwrap_or(0);
        self.reusable.store(bytes, Ordering::Relaxed);
        let is_incremental: bool = row.try_get("is_incremental")?;
        Ok(if is_incremental { free.saturating_sub(PAGES_KEPT).max(0) } else { 0 })
    }
}

impl SqliteStore {
    /// Closes the gate while the log is too large.
    ///
    /// Commits do the rest: the first one without a reader copies all of the log into the database,
    /// and the next one restarts it.
    pub(super) fn bound_log(&self) {
        let (gate, bytes) = (&self.readers.gate, self.file.log_bytes());
        let mut log = self.sizes.log();
        if bytes <= LARGE_LOG {
            *log = Log::Small;
            gate.open();
            return;
        }
        match *log {
            Log::Pinned { .. } => return,
            Log::Large { .. } => {}
            Log::Small => {
                *log = Log::Large { looks: 0, was_in_use: false };
                gate.close();
            }
        }
        if bytes > TOO_LARGE_LOG {
            gate.clear();
        }
    }

    /// Opens the gate while the database cannot be written, whatever the size of the log.
    pub(super) fn stop_bounding_log(&self) {
        *self.sizes.log() = Log::Small;
        self.readers.gate.open();
    }

    /// Empties a large log where no commit restarts it, or finds that another program reads from
    /// it.
    pub(super) async fn relieve_log(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<(), StoreError> {
        if self.file.log_bytes() <= LARGE_LOG {
            return Ok(());
        }
        let log = *self.sizes.log();
        let next = match log {
            Log::Small => log,
            Log::Large { looks, was_in_use } if !self.readers.gate.is_empty() => {
                if looks >= LOOKS_OF_PATIENCE {
                    self.readers.gate.clear();
                }
                Log::Large { looks: looks.saturating_add(1), was_in_use }
            }
            Log::Large { looks, was_in_use } => match empty_log(connection).await? {
                None => Log::Small,
                // A question that was just cancelled may not have ended within SQLite yet.
                Some(_) if !was_in_use => Log::Large { looks, was_in_use: true },
                Some(moved) => {
                    self.readers.gate.open();
                    Log::Pinned { moved, looks: 0 }
                }
            },
            Log::Pinned { moved, looks } => match empty_log(connection).await? {
                None => Log::Small,
                // The other program has read on, or has ended and our own readers are in the way.
                Some(now) if now != moved && looks >= LOOKS_TO_NEXT_TRY => Log::Small,
                Some(_) => Log::Pinned { moved, looks: looks.saturating_add(1) },
            },
        };
        *self.sizes.log() = next;
        Ok(())
    }

    /// Returns some free pages to the file system.
    pub(super) async fn give_pages_back(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<(), StoreError> {
        let surplus = self.sizes.look(connection).await?;
        if surplus == 0 {
            return Ok(());
        }
        sqlx::query(sql::GIVE_PAGES_BACK).execute(&mut *connection).await?;
        if self.sizes.look(connection).await? == 0 {
            // The file is truncated when the log is copied into it.
            sqlx::query(sql::MOVE_LOG).execute(connection).await?;
        }
        Ok(())
    }
}

/// Writes the log anew, and syncs it, before a new connection confirms anything, and before a log that
/// another process has left is copied into the database.
///
/// If the sync of a commit fails, its frames are in the log all the same, and the next connection finds
/// them there. The system may never write them: after an error it takes their pages for written, and the
/// next sync succeeds. After a power cut the log would end before them, whatever was synced behind them, and
/// a checkpoint that was cut off would have left pages in the database that are newer than the log.
pub(super) async fn renew_log(
    file: &Arc<DatabaseFile>,
    connection: &mut SqliteConnection,
) -> Result<(), StoreError> {
    // Keeps other programs from writing to the log. Nothing is written in this transaction, and the
    // connection of one that fails is not used again.
    connection.execute(sql::KEEP_LOG).await?;
    file.ask(DatabaseFile::renew_log).await?;
    connection.execute("rollback").await?;
    Ok(())
}

/// Copies what it can of the log into the database, and empties the log if no connection reads from
/// it. Waits for no reader. Returns the number of copied pages if the log is in use.
async fn empty_log(connection: &mut SqliteConnection) -> Result<Option<i64>, sqlx::Error> {
    connection.execute(sql::DO_NOT_WAIT).await?;
    let outcome = connection.fetch_one(sql::EMPTY_LOG).await?;
    connection.execute(sql::WAIT).await?;
    let is_in_use: bool = outcome.try_get(0)?;
    Ok(if is_in_use { Some(outcome.try_get(2)?) } else { None })
}
