//! Finding transitions that a rule no longer keeps.
//!
//! This only reads. The writer deletes what is found, in chunks that do not delay updates.

use std::future::Future;

use crate::domain::{Cursor, Key, Prunable, PruneRule, Timestamp, TransitionId};
use crate::store::StoreError;

/// The most transitions deleted by one statement. This takes some ten milliseconds, since each may
/// be on an index page of its own.
const CHUNK: usize = 200;
/// The number of entries whose transitions one statement counts.
const ENTRIES_COUNTED: usize = 200;

/// What a database finds in the part of the history that may be old.
pub(in crate::store) trait OldRecords: Send {
    /// Returns up to `most` transitions after a cursor and before a moment, in order, and whether each
    /// can be deleted: another of its entry follows before that moment, or it is an end that no other
    /// precedes.
    fn older(
        &mut self,
        than: Timestamp,
        after: Cursor,
        most: usize,
    ) -> impl Future<Output = Result<Vec<(Cursor, bool)>, StoreError>> + Send;

    /// Returns up to `most` pairs after one, in order, each with the number of its transitions.
    fn counts(
        &mut self,
        after: Option<&Key>,
        most: usize,
    ) -> impl Future<Output = Result<Vec<(Key, usize)>, StoreError>> + Send;

    /// Returns the oldest transitions of a pair, at most `most`.
    fn oldest(
        &mut self,
        key: &Key,
        most: usize,
    ) -> impl Future<Output = Result<Vec<TransitionId>, StoreError>> + Send;

    /// Returns about how many transitions the history has too many to fit into some bytes.
    fn too_many(&mut self, bytes: u64) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Returns the time before which `count` transitions can be deleted. Each pair may have one older
    /// transition that has to stay, so as many more are skipped as there are pairs.
    fn after_oldest(
        &mut self,
        count: u64,
    ) -> impl Future<Output = Result<Option<Timestamp>, StoreError>> + Send;
}

/// Finds some transitions that a rule no longer keeps.
pub(in crate::store) async fn find_prunable<R: OldRecords>(
    records: &mut R,
    search: PruneRule,
) -> Result<Prunable, StoreError> {
    match search {
        PruneRule::Older { than, after } => older(records, than, after).await,
        PruneRule::Beyond { newest, after } => beyond(records, newest, after).await,
        PruneRule::Larger { than } => larger(records, than).await,
    }
}

async fn older<R: OldRecords>(
    records: &mut R,
    than: Timestamp,
    after: Cursor,
) -> Result<Prunable, StoreError> {
    let looked = records.older(than, after, CHUNK).await?;
    let goes = looked.iter().filter(|(_, goes)| *goes);
    let found = goes.map(|(cursor, _)| cursor.id).collect();
    let next = looked.get(CHUNK - 1).map(|(after, _)| PruneRule::Older { than, after: *after });
    Ok(Prunable { found, next })
}

async fn beyond<R: OldRecords>(
    records: &mut R,
    newest: usize,
    mut after: Option<Key>,
) -> Result<Prunable, StoreError> {
    let counts = records.counts(after.as_ref(), ENTRIES_COUNTED).await?;
    let is_last = counts.len() < ENTRIES_COUNTED;
    let mut found: Vec<TransitionId> = Vec::new();
    for (key, count) in counts {
        let (excess, room) = (count.saturating_sub(newest), CHUNK - found.len());
        if excess > 0 {
            found.extend(records.oldest(&key, excess.min(room)).await?);
        }
        if excess >= room {
            // This entry may have more, so the next search begins with it.
            return Ok(Prunable { found, next: Some(PruneRule::Beyond { newest, after }) });
        }
        after = Some(key);
    }
    let next = (!is_last).then_some(PruneRule::Beyond { newest, after });
    Ok(Prunable { found, next })
}

async fn larger<R: OldRecords>(records: &mut R, than: u64) -> Result<Prunable, StoreError> {
    let too_many = records.too_many(than).await?;
    if too_many == 0 {
        return Ok(Prunable::default());
    }
    let than = records.after_oldest(too_many).await?;
    let next = than.map(|than| PruneRule::Older { than, after: Cursor::START });
    Ok(Prunable { found: Vec::new(), next })
}
