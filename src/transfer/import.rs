//! Fills a store with what an export has.

use std::io::BufRead;

use super::reader::{Origin, Reader};
use super::{Progress, TransferError};
use crate::domain::Timestamp;
use crate::store::{Counts, Incoming};

/// What was imported.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Imported {
    /// How much.
    pub counts: Counts,
    /// Identifies the store that it comes from.
    pub store_id: String,
    /// The revision of that store.
    pub revision: i64,
    /// When it was exported.
    pub exported_at: Timestamp,
}

/// Fills a store with everything that an export has, or with nothing. `at` is the time of the import.
///
/// # Errors
/// See [`TransferError`].
pub async fn import(
    input: &mut (dyn BufRead + Send),
    mut store: Box<dyn Incoming>,
    at: Timestamp,
    progress: &mut Progress,
) -> Result<Imported, TransferError> {
    let mut reader = Reader::begin(input)?;
    loop {
        let records = reader.next_batch()?;
        if records.is_empty() {
            break;
        }
        store.put(records).await?;
        progress.show(reader.read().sum(), reader.origin().counts.sum());
    }
    store.finish(at).await?;
    progress.clear();
    let Origin { store_id, revision, exported_at, counts } = reader.origin().clone();
    Ok(Imported { counts, store_id, revision, exported_at })
}
