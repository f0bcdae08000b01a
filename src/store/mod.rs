//! The store: where entries and their history outlive the process.
//!
//! Knows the domain and databases; knows nothing of HTTP, of queues, or of what time it is.

mod error;
pub mod sqlite;

use async_trait::async_trait;

pub use error::{CommitError, OpenError, StoreError};

use crate::domain::{Batch, Changes, Entry, Revision};

use std::sync::Arc;

/// Everything that a store holds of the present.
#[derive(Debug)]
pub struct Loaded {
    /// Names the database for as long as it lives.
    pub store_id: String,
    /// The number of the last commit.
    pub revision: Revision,
    /// All entries, ordered by (repo, server).
    pub entries: Vec<Arc<Entry>>,
}

/// How much room a store takes and has, in bytes; `None` is what it cannot tell.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// The database itself.
    pub database_bytes: Option<u64>,
    /// What has been written but is not yet in its place in the database.
    pub log_bytes: Option<u64>,
    /// What is free where the database lies.
    pub free_bytes: Option<u64>,
}

/// A durable home for entries and their history.
///
/// One caller at a time writes. A store never answers from memory: what it returns is on disk.
#[async_trait]
pub trait Store: Send + Sync {
    /// Reads all entries at one revision.
    async fn load(&self) -> Result<Loaded, StoreError>;

    /// Makes a batch durable as a whole, and the next revision of it.
    ///
    /// `Ok` means that all of it survives a power cut. [`CommitError::Moved`] means that none of
    /// it was applied, because the store is not at `expected`. After [`CommitError::Unknown`] it
    /// may have been applied, as a whole or not at all: ask [`Store::changes_since`].
    async fn commit(&self, expected: Revision, batch: &Batch) -> Result<(), CommitError>;

    /// Returns what has changed since a revision, or `None` if that is too long ago to tell.
    async fn changes_since(&self, revision: Revision) -> Result<Option<Changes>, StoreError>;

    /// Makes sure that what was opened is still what lies where it was opened.
    async fn check(&self) -> Result<(), StoreError>;

    /// Looks how much room there is. Needs no connection, but asks the file system.
    fn usage(&self) -> Usage;

    /// Puts everything in order for the next start. Nothing can be committed afterwards.
    async fn close(&self);
}
