//! The files of a SQLite database: its lock, and whether they are still the files that were opened.

use std::fs::{File, Metadata, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::create;
use crate::mutex::locked;
use crate::store::{StoreError, Usage};

/// The number of threads that may wait for the file system at the same time.
const ASKING: usize = 4;

/// How much of the log is written at once.
const PIECE: usize = 1 << 20;

/// An exclusive lock on a database. The system releases it when the process ends.
///
/// The locked file is not the database itself: closing any handle of that would drop SQLite's
/// locks.
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
        // A child process shares the open file until `exec`, so closing the file here would not
        // release the lock yet.
        self.0.unlock().ok();
    }
}

/// Returns the path of a file that belongs to a database, such as its `-wal`.
pub(super) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    PathBuf::from(path)
}

/// Moves the log at a path away from it, where its database is not. Returns where the log is now.
pub(super) fn move_log_aside(path: &Path) -> io::Result<PathBuf> {
    let mut number = 1;
    let aside = loop {
        let aside = beside(path, &format!(".displaced-{number}-wal"));
        if !aside.try_exists()? {
            break aside;
        }
        number += 1;
    };
    create::rename_to_nothing(&beside(path, "-wal"), &aside)?;
    Ok(aside)
}

/// Identifies a file, whatever its name.
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

/// The files of an open database: the database and the log that the writing connection made.
///
/// SQLite goes on writing to files that have been removed, and loses all of it at the end.
#[derive(Debug)]
pub(super) struct DatabaseFile {
    path: PathBuf,
    database: Identity,
    /// The log of the current writing connection; a new connection may create another.
    log: Mutex<Option<Identity>>,
    /// The last log that a writing connection had.
    own_log: Mutex<Option<Identity>>,
    /// The size of the log at the last [`Self::check`].
    log_bytes: AtomicU64,
    asking: Arc<Semaphore>,
    /// The database, opened to be copied.
    source: Mutex<Option<Arc<File>>>,
}

impl DatabaseFile {
    /// Remembers the file that is at the path now.
    pub(super) fn new(path: PathBuf) -> io::Result<Self> {
        let database = Identity::of(&path)?;
        Ok(Self {
            path,
            database,
            log: Mutex::default(),
            own_log: Mutex::default(),
            log_bytes: AtomicU64::new(0),
            asking: Arc::new(Semaphore::new(ASKING)),
            source: Mutex::default(),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Remembers the log that is beside the database now.
    pub(super) fn note_log(&self) -> Result<(), StoreError> {
        let log = Identity::of(&beside(&self.path, "-wal"))?;
        *locked(&self.log) = Some(log);
        *locked(&self.own_log) = Some(log);
        Ok(())
    }

    /// Asks the file system on a thread of its own. Where a disk hangs, each call may hang, and the
    /// threads that serve requests and write must not hang with it.
    pub(super) async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        question: fn(&Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let asking = Arc::clone(&self.asking).acquire_owned().await;
        let file = Arc::clone(self);
        let answer = spawn_blocking(move || {
            let answer = question(&file);
            // Held until the file system has answered, even if the caller has gone.
            drop(asking);
            answer
        });
        answer.await.map_err(|error| StoreError::Unavailable(error.into()))?
    }

    /// Makes sure that both files are still there, and notes the size of the log.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let log = *locked(&self.log);
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

    /// Returns the database, to be read beside SQLite. It is opened once and never closed: closing it
    /// would drop the locks of SQLite, which belong to the file and this process.
    pub(super) fn source(&self) -> Result<Arc<File>, StoreError> {
        let mut source = locked(&self.source);
        if let Some(file) = &*source {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(File::open(&self.path)?);
        std::mem::forget(Arc::clone(&file));
        if Identity::from(&file.metadata()?) != self.database {
            return Err(StoreError::Displaced);
        }
        *source = Some(Arc::clone(&file));
        Ok(file)
    }

    /// Returns the size of the log at the last [`Self::check`].
    pub(super) fn log_bytes(&self) -> u64 {
        self.log_bytes.load(Ordering::Relaxed)
    }

    /// Measures the files and the free space of their file system.
    pub(super) fn usage(&self) -> Usage {
        let size = |path: &Path| std::fs::metadata(path).ok().map(|metadata| metadata.len());
        let system = rustix::fs::statvfs(&self.path).ok();
        Usage {
            reusable_bytes: None,
            log_is_pinned: None,
            database_bytes: size(&self.path),
            log_bytes: size(&beside(&self.path, "-wal")),
            free_bytes: system
                .as_ref()
                .map(|system| system.f_bavail.saturating_mul(system.f_frsize)),
            file_system_bytes: system
                .as_ref()
                .map(|system| system.f_blocks.saturating_mul(system.f_frsize)),
        }
    }

    /// Writes all of the log anew as it is, and syncs it. Nobody may write to it meanwhile; readers may
    /// read, since each byte stays.
    pub(super) fn renew_log(&self) -> Result<(), StoreError> {
        let log = match File::options().read(true).write(true).open(beside(&self.path, "-wal")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened?,
        };
        let (mut piece, mut place) = (vec![0; PIECE], 0);
        loop {
            let count = log.read_at(&mut piece, place)?;
            if count == 0 {
                break;
            }
            log.write_all_at(piece.get(..count).unwrap_or_default(), place)?;
            place = place.saturating_add(count as u64);
        }
        if place > 0 {
            log.sync_data()?;
        }
        Ok(())
    }

    /// Forgets the log of a connection that has been closed.
    pub(super) fn forget_log(&self) {
        *locked(&self.log) = None;
    }

    /// Moves the log aside if another file has taken the place of the database, once the writing connection
    /// is closed. Returns where the log is now. Those that only read may still be open.
    ///
    /// SQLite leaves the log of a database that was moved where it is. Nothing ties a log to its database,
    /// so the next connection would take it for that of the other file.
    pub(super) fn set_log_aside(&self) -> Result<Option<PathBuf>, StoreError> {
        let log = beside(&self.path, "-wal");
        let is_replaced = Identity::of(&self.path).is_ok_and(|found| found != self.database);
        let own = *locked(&self.own_log);
        if !is_replaced || own.is_none() || Identity::of(&log).ok() != own {
            return Ok(None);
        }
        let aside = move_log_aside(&self.path)?;
        // What is in memory of this log.
        create::remove_if_there(&beside(&self.path, "-shm"))?;
        create::sync_folder_of(&self.path)?;
        Ok(Some(aside))
    }
}
