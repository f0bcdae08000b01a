//! What a database finds in the history.

use std::future::Future;

use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use tokio::task::coop::consume_budget;

use crate::domain::{
    Condition, Cursor, HistoryItem, Key, KeyRef, LastSeen, Names, TimeRange, Timestamp,
};
use crate::store::{KeyPredicate, StoreError};

/// The most bytes of names of pairs that are found at once. Several copies of them are in memory.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// The condition that the databases write as a number.
pub(in crate::store) const fn condition_of(state: i64) -> Condition {
    match state {
        0 => Condition::Synced,
        1 => Condition::OutOfSync,
        2 => Condition::Stale,
        _ => Condition::Ended,
    }
}

/// Pairs in the order of their names, if there are not too many.
pub(in crate::store) enum Pairs {
    Few(Vec<Key>),
    TooMany,
}

/// Pairs that are being found: at most a number, and no more than fit into [`MOST_BYTES`].
pub(in crate::store) struct FoundPairs {
    found: Vec<Key>,
    bytes: usize,
    most: usize,
}

impl FoundPairs {
    pub(in crate::store) fn at_most(most: usize) -> Self {
        Self { found: Vec::new(), bytes: 0, most }
    }

    /// Adds a pair. Returns whether it is one too many.
    pub(in crate::store) fn add(&mut self, key: Key) -> bool {
        self.bytes += key.repo.as_str().len() + key.server.as_str().len();
        self.found.push(key);
        self.found.len() > self.most || self.bytes > MOST_BYTES
    }

    pub(in crate::store) fn finish(mut self) -> Pairs {
        self.found.sort_unstable();
        Pairs::Few(self.found)
    }
}

/// A part of the history: the newest transitions before a cursor.
pub(in crate::store) struct Stretch<'a, P> {
    /// Those of some pairs, or of all.
    pub(in crate::store) pairs: Option<&'a P>,
    /// The states in which they leave an entry, as [`condition_of`] numbers them.
    pub(in crate::store) states: &'a [u8],
    /// Their events. Of some pairs, those of other events may be returned too.
    pub(in crate::store) events: &'a [&'static str],
    pub(in crate::store) before: Cursor,
    /// The first one, and the first moment.
    pub(in crate::store) since: Cursor,
    pub(in crate::store) from: Timestamp,
    pub(in crate::store) count: usize,
}

/// Takes each row of an answer. Rows are often there already, so the loop may not yield otherwise.
pub(in crate::store) async fn for_each<R>(
    mut rows: BoxStream<'_, sqlx::Result<R>>,
    mut take: impl FnMut(&R) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    while let Some(row) = rows.try_next().await? {
        consume_budget().await;
        take(&row)?;
    }
    Ok(())
}

/// Takes what is found of a pair, by its place among the pairs that were asked for.
pub(in crate::store) type Take<'a, T> = &'a mut (dyn FnMut(usize, T) + Send);

/// The transitions that a database has recorded, found by seeks. Each call is one statement.
pub(in crate::store) trait Records: Send {
    /// Some pairs, as the database takes them.
    type Pairs: Send + Sync;

    /// Returns the most pairs whose newest transitions to some states are sought pair by pair. If more
    /// pass a filter, a walk through the whole history is faster.
    fn most_pairs(states: &[u8]) -> usize;

    /// Makes pairs ready for the database. Their places are their indexes.
    fn pairs_of(keys: &[Key]) -> Result<Self::Pairs, StoreError>;

    /// Finds the pairs that pass, of some repositories or of all.
    fn find_pairs(
        &mut self,
        repos: &Names,
        most: usize,
        passes: KeyPredicate<'_>,
    ) -> impl Future<Output = Result<Pairs, StoreError>> + Send;

    /// Returns the cursor of the transition that is `window` before another, and not before `from`.
    fn back(
        &mut self,
        before: Cursor,
        from: Timestamp,
        window: usize,
    ) -> impl Future<Output = Result<Option<Cursor>, StoreError>> + Send;

    /// Returns a part of the history, the newest first.
    fn newest<'a>(
        &'a mut self,
        stretch: Stretch<'a, Self::Pairs>,
    ) -> BoxStream<'a, Result<HistoryItem, StoreError>>;

    /// Notes that the last answer is not waited for any more.
    fn give_up(&mut self) {}

    /// Returns the first and the last moment of the history.
    fn extent(
        &mut self,
    ) -> impl Future<Output = Result<Option<(Timestamp, Timestamp)>, StoreError>> + Send;

    /// Returns the places of the pairs to show for a range, in order: those with a transition in it,
    /// and those with an entry at its start.
    fn in_range(
        &mut self,
        pairs: &Self::Pairs,
        range: TimeRange,
    ) -> impl Future<Output = Result<Vec<usize>, StoreError>> + Send;

    /// Returns whether some pairs, or all, have at most a number of transitions in a range.
    fn has_at_most(
        &mut self,
        pairs: Option<&Self::Pairs>,
        range: TimeRange,
        most: usize,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Finds the last transition to each condition, for each of some pairs at each of some moments,
    /// in order. With `in_sum`, that of an entry that was drifted is one to out of sync.
    fn last_seen(
        &mut self,
        pairs: &Self::Pairs,
        moments: Vec<Timestamp>,
        in_sum: bool,
        take: Take<'_, (Timestamp, LastSeen)>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Returns the transitions of some pairs in a range: those of a pair together, in order.
    fn points(
        &mut self,
        pairs: &Self::Pairs,
        range: TimeRange,
        take: Take<'_, (Cursor, Condition)>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Returns the transitions of some pairs in a range, in order. An entry that was drifted is out
    /// of sync.
    fn points_in_sum(
        &mut self,
        pairs: &Self::Pairs,
        range: TimeRange,
        take: Take<'_, (Timestamp, Condition)>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Returns the same of all pairs.
    fn all_in_sum(
        &mut self,
        range: TimeRange,
        take: &mut (dyn FnMut(KeyRef<'_>, Timestamp, Condition) + Send),
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}
