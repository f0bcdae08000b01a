//! The reading half of a store: questions about the past.

use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::domain::{
    HistoryPage, HistoryQuery, KeyRef, Names, Prunable, PruneRule, Timeline, TimelineQuery,
};

/// The longest time for the answer to a request, including its wait for a connection.
pub(super) const FOR_A_REQUEST: Duration = Duration::from_secs(10);
/// The longest time for a search for what can be deleted, which may count a long history that is not in
/// the cache. Nobody waits for it.
pub(super) const FOR_A_SEARCH: Duration = Duration::from_mins(10);

/// Decides whether a question is about a pair.
pub type KeyPredicate<'a> = &'a (dyn Fn(KeyRef<'_>) -> bool + Send + Sync);

/// Reads the history of a [`super::Store`].
///
/// Any number of callers may ask at the same time. They do not delay the writer, and they see every
/// commit that returned before they asked. A question that takes more than ten seconds fails with
/// [`StoreError::TooSlow`], a search for what can be deleted only after ten minutes; one that would let
/// the database's log grow without bound fails with [`StoreError::Interrupted`].
#[async_trait]
pub trait Archive: Send + Sync {
    /// Returns transitions, newest first: by time, then by the order of recording.
    async fn history(&self, query: &HistoryQuery) -> Result<HistoryPage, StoreError>;

    /// Returns how the entries that pass stood, each from its first known transition.
    ///
    /// `passes` is called only with pairs of `repos`. `None` means that more entries pass, or
    /// more lines, than the query takes.
    async fn timeline(
        &self,
        query: TimelineQuery,
        repos: &Names,
        passes: KeyPredicate<'_>,
    ) -> Result<Option<Timeline>, StoreError>;

    /// Finds some transitions that a rule no longer keeps. [`super::Store::prune`] deletes them.
    async fn prunable(&self, rule: PruneRule) -> Result<Prunable, StoreError>;
}
