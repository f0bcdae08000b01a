//! Whole copies of a database, in a file of its own.

use std::fs::File;
use std::path::PathBuf;

use thiserror::Error;

use super::StoreError;
use crate::domain::Timestamp;

/// Where a copy goes.
#[derive(Clone, Debug)]
pub enum BackupPlace {
    /// Beside the database, without a name: it is gone once it is closed.
    Unnamed,
    /// At this path, where another file may be.
    File(PathBuf),
    /// In a folder, under a name that sorts by this time.
    Folder {
        /// The folder, which is created if it is missing.
        folder: PathBuf,
        /// When the copy is made.
        at: Timestamp,
        /// How many copies stay in the folder: older ones are removed once this one is whole.
        keep: usize,
    },
}

/// A whole copy, which has been checked.
#[derive(Debug)]
pub struct Copied {
    /// It can be read from its beginning.
    pub file: File,
    /// Its size.
    pub bytes: u64,
    /// The SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// The time in its name; `None` if it has no name.
    pub at: Option<Timestamp>,
}

/// A copy that is in a folder.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeptBackup {
    /// The time in its name.
    pub at: Timestamp,
    /// Its size.
    pub bytes: u64,
}

/// Why there is no copy. Nothing is left of it.
#[derive(Debug, Error)]
pub enum BackupError {
    /// This kind of database is copied by other means.
    #[error("this kind of database is copied by its own tools")]
    ByOtherMeans,
    /// The disk would be too full.
    #[error("a copy needs {needed} bytes, and {free} bytes are free")]
    NoRoom {
        /// The size of a copy, with what is left free for the server.
        needed: u64,
        /// What is free now.
        free: u64,
    },
    /// The copy is not sound, and so the database is not either.
    #[error("the copy is not sound: {0}")]
    Damaged(String),
    /// Nobody waits for it any more.
    #[error("it was given up")]
    GivenUp,
    /// The database or the file system reports an error.
    #[error(transparent)]
    Failed(#[from] StoreError),
}
