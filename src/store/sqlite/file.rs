//! The files of a SQLite database: the lock beside it, and whether it is still the one opened.

use std::fs::{File, Metadata, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::store::{StoreError, Usage};

/// How many threads may wait for the file system at once.
const ASKING: usize = 4;

/// An exclusive lock on a database, for as long as it lives; the system frees it with the process.
///
/// It lies on a file of its own: closing any handle of the database file would drop SQLite's locks.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// Takes the lock, or returns `None` if another process has it.
    pub(super) fn take(database: &Path) -> io::Result<Option<Self>> {
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(beside(database, ".lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A child that is being started shares the open file until it becomes another program, so
        // that closing it here would not free the lock yet.
        self.0.unlock().ok();
    }
}

/// Returns the path of a file that belongs to a database, such as its `-wal`.
pub(super) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    PathBuf::from(path)
}

/// Which file it is, whatever its name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    fn of(path: &Path) -> io::Result<Self> {
        std::fs::metadata(path).map(|metadata| Self::from(&metadata))
    }
}

impl From<&Metadata> for Identity {
    fn from(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// An open database: the file that was opened and the log that a connection writes.
///
/// SQLite would go on writing to files that have been removed, and lose it all at the end.
#[derive(Debug)]
pub(super) struct DatabaseFile {
    path: PathBuf,
    database: Identity,
    /// The log of the present connection; a new connection may make a new one.
    log: Mutex<Option<Identity>>,
    /// How large the log was when it was last looked at.
    log_bytes: AtomicU64,
    asking: Arc<Semaphore>,
}

impl DatabaseFile {
    /// Remembers which file lies there now.
    pub(super) fn new(path: PathBuf) -> io::Result<Self> {
        let database = Identity::of(&path)?;
        Ok(Self {
            path,
            database,
            log: Mutex::new(None),
            log_bytes: AtomicU64::new(0),
            asking: Arc::new(Semaphore::new(ASKING)),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Remembers which log lies beside the database now.
    pub(super) fn note_log(&self) -> Result<(), StoreError> {
        let log = Identity::of(&beside(&self.path, "-wal"))?;
        *self.log.lock().unwrap_or_else(PoisonError::into_inner) = Some(log);
        Ok(())
    }

    /// Asks the file system on a thread that may wait for it: where a disk hangs, so may every call,
    /// and no thread that serves requests or writes may hang with it.
    pub(super) async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        question: fn(&Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let asking = Arc::clone(&self.asking).acquire_owned().await;
        let file = Arc::clone(self);
        let answer = spawn_blocking(move || {
            let answer = question(&file);
            // Kept until the answer is there, also if nobody waits for that any more.
            drop(asking);
            answer
        });
        answer.await.map_err(|error| StoreError::Unavailable(error.into()))?
    }

    /// Makes sure that both are still there, and takes note of how large the log is.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let log = *self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let log_found = std::fs::metadata(beside(&self.path, "-wal")).ok();
        self.log_bytes.store(log_found.as_ref().map_or(0, Metadata::len), Ordering::Relaxed);
        let log_found = log_found.as_ref().map(Identity::from);
        let database_is_there = Identity::of(&self.path).is_ok_and(|found| found == self.database);
        if database_is_there && log.is_none_or(|log| log_found == Some(log)) {
            Ok(())
        } else {
            Err(StoreError::Displaced)
        }
    }

    /// Returns how large the log was at the last [`Self::check`].
    pub(super) fn log_bytes(&self) -> u64 {
        self.log_bytes.load(Ordering::Relaxed)
    }

    /// Looks how large the files are, and how much the file system leaves for more.
    pub(super) fn usage(&self) -> Usage {
        let size = |path: &Path| std::fs::metadata(path).ok().map(|metadata| metadata.len());
        let system = rustix::fs::statvfs(&self.path).ok();
        Usage {
            reusable_bytes: None,
            log_is_pinned: None,
            database_bytes: size(&self.path),
            log_bytes: size(&beside(&self.path, "-wal")),
            free_bytes: system.map(|system| system.f_bavail.saturating_mul(system.f_frsize)),
        }
    }

    /// Forgets the log, since its connection is gone.
    pub(super) fn forget_log(&self) {
        *self.log.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
