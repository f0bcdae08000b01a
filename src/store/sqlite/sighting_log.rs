//! The log of sightings as the database stores it.

use std::collections::VecDeque;

use futures_util::TryStreamExt;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::sql;
use crate::domain::{Key, Revision, Sighting};
use crate::store::{StoreError, record};

/// The log after a revision.
#[derive(Debug)]
pub(super) struct SightingLog {
    /// The last sighting of each entry, in the order of the keys.
    pub(super) latest: Vec<Sighted>,
    /// The number of sightings in the log.
    pub(super) logged: usize,
    /// The commits that have a row in it.
    pub(super) commits: VecDeque<Revision>,
}

/// What an update that changed only times said of an entry.
#[derive(Debug)]
pub(super) struct Sighted {
    /// The commit that logged it.
    pub(super) revision: Revision,
    pub(super) sighting: Sighting,
}

impl Sighted {
    pub(super) fn key(&self) -> &Key {
        &self.sighting.key
    }
}

/// Reads the log after a revision.
///
/// SQLite would take five times as long to decode it.
pub(super) async fn read(
    connection: &mut SqliteConnection,
    since: Revision,
) -> Result<SightingLog, StoreError> {
    let mut log = SightingLog { latest: Vec::new(), logged: 0, commits: VecDeque::new() };
    let mut rows = sqlx::query(sql::SIGHTINGS_SINCE).bind(since.0).fetch(connection);
    while let Some(row) = rows.try_next().await? {
        let revision = Revision(row.try_get("revision")?);
        log.commits.push_back(revision);
        decode_row(row.try_get("seen")?, revision, &mut log.latest)?;
    }
    log.logged = log.latest.len();
    // The last sighting of each entry comes first and is kept.
    log.latest.sort_unstable_by(|a, b| a.key().cmp(b.key()).then(b.revision.cmp(&a.revision)));
    log.latest.dedup_by(|next, kept| next.key() == kept.key());
    Ok(log)
}

/// Decodes the sightings of a commit, and appends them to others.
pub(super) fn decode_row(
    seen: &str,
    revision: Revision,
    latest: &mut Vec<Sighted>,
) -> Result<(), StoreError> {
    let seen = record::read_sightings(seen)?;
    latest.extend(seen.into_iter().map(|sighting| Sighted { revision, sighting }));
    Ok(())
}
