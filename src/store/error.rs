//! The errors of a store. Their messages are for the log, never for a client.

use std::error::Error;
use std::time::Duration;

use thiserror::Error;

use crate::domain::Changes;

/// Any cause: databases and file systems have many.
type Cause = Box<dyn Error + Send + Sync>;

/// Why a store cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("the database {0} is in use by another process")]
    InUse(String),
    /// It is damaged, of another program, or of a newer version. It was not changed.
    #[error("the database {path} is refused: {reason}; it was left as it is. {way_out}")]
    Refused {
        /// The path of the database.
        path: String,
        /// What is wrong with it.
        reason: String,
        /// A sentence that says what to do about it.
        way_out: &'static str,
    },
    /// It cannot be read or written.
    #[error("the database {path} cannot be opened: {cause}")]
    Unusable {
        /// The path of the database.
        path: String,
        /// The error of the system.
        cause: Cause,
    },
}

/// Why a call of a store failed.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database or the file system reports an error.
    #[error("{0}")]
    Unavailable(Cause),
    /// What was opened has been removed or replaced.
    #[error("the database file was removed or replaced while it was open")]
    Displaced,
    /// The database has lost commits that it confirmed.
    #[error("the database has gone back from revision {confirmed} to {found}")]
    WentBack {
        /// The last revision that it confirmed.
        confirmed: i64,
        /// Its revision now.
        found: i64,
    },
    /// A row cannot be what this program wrote.
    #[error("damaged row in table {table}: {reason}")]
    Damaged {
        /// The table of the row.
        table: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// It does not answer, as on a disk that hangs.
    #[error("the database has not answered for {} seconds", .0.as_secs())]
    Silent(Duration),
    /// A question took too long, and was given up.
    #[error("a question was given up after {} seconds", .0.as_secs())]
    TooSlow(Duration),
    /// A question was given up, because it kept the database's log from beginning anew.
    #[error("a question was given up, since the database's log has grown too large beside it")]
    Interrupted,
    /// The store was closed.
    #[error("the database is closed")]
    Closed,
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

/// Why a commit was not confirmed.
#[derive(Debug, Error)]
pub enum CommitError {
    /// Others have changed a pair of the plan since the expected revision, or have used up its room.
    /// Nothing was applied; a plan for a snapshot that has adopted these changes can be committed.
    #[error("other commits were made since the expected revision")]
    Conflict(Vec<Changes>),
    /// The store is not a continuation of the expected revision. Nothing was applied; load the
    /// store anew.
    #[error("the database is at another revision than expected")]
    Diverged,
    /// The store cannot take what the plan contains, or needs a damaged part of the database for
    /// it. Nothing was applied; another plan may succeed.
    #[error("{0}")]
    Content(StoreError),
    /// The disk is full (ENOSPC, SQLite's code 13). Nothing was applied; all requests of the batch are
    /// refused.
    #[error("there is no space left: {0}")]
    NoSpace(StoreError),
    /// It may have been applied: ask [`super::Store::outcome`].
    #[error("{0}")]
    Unknown(StoreError),
}
