//! Keeping the files small: the log, and the pages of the database that hold nothing any more.
//!
//! See `docs/decisions/0012-disk.md`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sqlx::sqlite::SqliteConnection;
use sqlx::{Executor, Row};

use super::sql;
use super::store::SqliteStore;
use crate::store::StoreError;

/// From this size on, the log is made to begin anew, and cut to this size when it does.
pub(super) const LARGE_LOG: u64 = 16 << 20;
/// From this size on, nothing that reads may delay that any longer. What is left to 64 MB is for
/// the commits that come meanwhile.
const TOO_LARGE_LOG: u64 = 32 << 20;
/// After how many looks those who read have to make way, whatever the size: about a second, since
/// others wait for them.
const LOOKS_OF_PATIENCE: u32 = 4;
/// After how many looks it is tried again to get past another program: about ten seconds, since our
/// own questions have to make way each time.
const LOOKS_TO_NEXT_TRY: u32 = 40;
/// How many free pages are kept for what comes next: what the history loses it mostly gains again.
const PAGES_KEPT: i64 = 1024;

/// What is known of the files' sizes.
#[derive(Debug, Default)]
pub(super) struct Sizes {
    /// How many bytes of the database hold nothing.
    reusable: AtomicU64,
    log: Mutex<Log>,
}

/// How it stands with the log.
#[derive(Clone, Copy, Debug, Default)]
enum Log {
    /// It is small, or nobody has looked yet.
    #[default]
    Small,
    /// It is to begin anew as soon as nobody reads from it; questions are held back.
    Large { looks: u32, was_in_use: bool },
    /// Somebody else reads from it: of its pages, this many could be moved into the database.
    Pinned { moved: i64, looks: u32 },
}

impl Sizes {
    /// Returns how many bytes of the database hold nothing.
    pub(super) fn reusable_bytes(&self) -> u64 {
        self.reusable.load(Ordering::Relaxed)
    }

    /// Whether somebody else keeps the log from beginning anew.
    pub(super) fn log_is_pinned(&self) -> bool {
        matches!(*self.log(), Log::Pinned { .. })
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the pages that hold nothing. Returns how many of them can be given back.
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
    /// Holds questions back while the log is too large to go on growing beside them.
    ///
    /// The writer does the rest: the first commit without a reader moves all of the log into the
    /// database, and the next one writes over its beginning.
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

    /// Lets questions go on beside a database that cannot be written to, whatever its log.
    pub(super) fn stop_bounding_log(&self) {
        *self.sizes.log() = Log::Small;
        self.readers.gate.open();
    }

    /// Makes a large log begin anew where no commit does so, or finds that it cannot.
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
                // A question that was just given up may not have ended within SQLite yet.
                Some(_) if !was_in_use => Log::Large { looks, was_in_use: true },
                Some(moved) => {
                    self.readers.gate.open();
                    Log::Pinned { moved, looks: 0 }
                }
            },
            Log::Pinned { moved, looks } => match empty_log(connection).await? {
                None => Log::Small,
                // They have read on, or have ended and our own questions are in the way.
                Some(now) if now != moved && looks >= LOOKS_TO_NEXT_TRY => Log::Small,
                Some(_) => Log::Pinned { moved, looks: looks.saturating_add(1) },
            },
        };
        *self.sizes.log() = next;
        Ok(())
    }

    /// Gives some of the pages that hold nothing back to the file system.
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
            // The file becomes shorter when the log is moved into it.
            sqlx::query(sql::MOVE_LOG).execute(connection).await?;
        }
        Ok(())
    }
}

/// Moves what it can of the log into the database, and empties it if nobody reads from it. It waits
/// for nobody. Returns how many pages were moved if the log is in use.
async fn empty_log(connection: &mut SqliteConnection) -> Result<Option<i64>, sqlx::Error> {
    connection.execute(sql::WAIT_FOR_NOBODY).await?;
    let outcome = connection.fetch_one(sql::EMPTY_LOG).await?;
    connection.execute(sql::WAIT_AS_EVER).await?;
    let is_in_use: bool = outcome.try_get(0)?;
    Ok(if is_in_use { Some(outcome.try_get(2)?) } else { None })
}
