//! The store: where entries and their history outlive the process.
//!
//! Knows the domain and databases; knows nothing of HTTP, of queues, or of what time it is.

mod error;
mod soundness;
pub mod sqlite;

use async_trait::async_trait;

pub use error::{CommitError, OpenError, StoreError};
pub use soundness::{Examination, Examined, Part, Soundness};

use crate::domain::{
    Changes, Entry, HistoryPage, HistoryQuery, KeyRef, Names, Plan, Prunable, PruneRule, Revision,
    Timeline, TimelineQuery, TransitionId,
};

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

/// Says of a pair whether it is asked for.
pub type KeyPredicate<'a> = &'a (dyn Fn(KeyRef<'_>) -> bool + Send + Sync);

/// How much room a store takes and has, in bytes; `None` is what it cannot tell.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// The database itself.
    pub database_bytes: Option<u64>,
    /// What has been written but is not yet in its place in the database.
    pub log_bytes: Option<u64>,
    /// What of the database holds nothing, and is used before the database grows.
    pub reusable_bytes: Option<u64>,
    /// Whether the log cannot shrink, since another program reads from it.
    pub log_is_pinned: Option<bool>,
    /// What is free where the database lies.
    pub free_bytes: Option<u64>,
}

/// A durable home for entries and their history.
///
/// No call holds up the thread that awaits it, also where a disk hangs. One caller at a time writes. A store never answers from memory: what it returns is on disk.
/// Questions about the history are asked beside the writer and do not hold it up, however many
/// there are; they see commits that have returned before they were asked. A question that takes
/// more than some seconds fails with [`StoreError::TooSlow`], and one that many commits cannot go on
/// beside with [`StoreError::Interrupted`].
#[async_trait]
pub trait Store: Send + Sync {
    /// Reads all entries at one revision.
    async fn load(&self) -> Result<Loaded, StoreError>;

    /// Makes a batch durable as a whole, and the next revision of it.
    ///
    /// `Ok` means that all of it survives a power cut. [`CommitError::Moved`] means that none of
    /// it was applied, because the store is not at `expected`. After [`CommitError::Unknown`] it
    /// may have been applied, as a whole or not at all: ask [`Store::changes_since`].
    async fn commit(&self, expected: Revision, plan: &Plan) -> Result<(), CommitError>;

    /// Returns what has changed since a revision, or `None` if that is too long ago to tell.
    async fn changes_since(&self, revision: Revision) -> Result<Option<Changes>, StoreError>;

    /// Returns transitions, newest first: by their time, then by the order of recording.
    async fn history(&self, query: &HistoryQuery) -> Result<HistoryPage, StoreError>;

    /// Returns how the entries that pass stood, each from the first that is known of it.
    ///
    /// Only pairs of `repos` are asked for. `None` means that more pass than the query's limit.
    async fn timeline(
        &self,
        query: TimelineQuery,
        repos: &Names,
        passes: KeyPredicate<'_>,
    ) -> Result<Option<Timeline>, StoreError>;

    /// Finds some transitions that there are too many of, and deletes none.
    async fn prunable(&self, search: PruneRule) -> Result<Prunable, StoreError>;

    /// Deletes transitions. After an error they may be gone or not. Only the writer may ask this.
    async fn prune(&self, transitions: &[TransitionId]) -> Result<(), StoreError>;

    /// Does what keeps the store small and comes with no commit, a little at a time: to be called
    /// every now and then, `has_time` if no update waits. Only the writer may ask this.
    async fn tend(&self, has_time: bool) -> Result<(), StoreError>;

    /// Makes sure that what was opened is still what lies where it was opened.
    async fn check(&self) -> Result<(), StoreError>;

    /// Looks how much room there is. Needs no connection, but asks the file system.
    async fn usage(&self) -> Usage;

    /// Begins a look at everything that is stored, beside whatever else is asked.
    async fn examine(&self) -> Result<Box<dyn Examination>, StoreError>;

    /// Returns how many commits that had been confirmed were found lost when the store was opened,
    /// at most.
    fn lost_commits(&self) -> u64;

    /// Puts everything in order for the next start. Nothing can be committed afterwards.
    async fn close(&self);
}
