//! The log of sightings as the database has it.

use std::borrow::Cow;
use std::sync::Arc;

use futures_util::TryStreamExt;
use serde::Deserialize;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::sql;
use crate::domain::{
    Entry, InvalidField, Key, RepoName, ReportedTime, Revision, ServerName, Timestamp,
};
use crate::store::StoreError;

/// The log after a revision.
#[derive(Debug)]
pub(super) struct SightingLog {
    /// When each entry was seen last, in the order of the keys.
    pub(super) latest: Vec<Sighted>,
    /// How many sightings there are.
    pub(super) logged: usize,
    /// The first commit that has some.
    pub(super) first: Option<Revision>,
}

/// When an entry was seen.
#[derive(Debug)]
pub(super) struct Sighted {
    pub(super) key: Key,
    /// The commit that says so.
    pub(super) revision: Revision,
    last_check: ReportedTime,
    updated_at: Timestamp,
}

/// A sighting as [`super::rows`] makes a JSON array of it.
#[derive(Deserialize)]
struct StoredSighting<'a>(
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    i64,
);

impl Sighted {
    /// Gives an entry the times of this.
    pub(super) fn note_in(&self, entry: &mut Arc<Entry>) {
        let entry = Arc::make_mut(entry);
        entry.report.last_check = self.last_check;
        entry.updated_at = self.updated_at;
    }
}

/// Reads the log after a revision.
///
/// It is taken apart here: for SQLite to do it takes five times as long.
pub(super) async fn read(
    connection: &mut SqliteConnection,
    since: Revision,
) -> Result<SightingLog, StoreError> {
    let mut log = SightingLog { latest: Vec::new(), logged: 0, first: None };
    let mut rows = sqlx::query(sql::SIGHTINGS_SINCE).bind(since.0).fetch(connection);
    while let Some(row) = rows.try_next().await? {
        let revision = Revision(row.try_get("revision")?);
        log.first.get_or_insert(revision);
        decode_row(row.try_get("seen")?, revision, &mut log.latest)?;
    }
    log.logged = log.latest.len();
    // Of each entry, the last one comes first and is kept.
    log.latest.sort_unstable_by(|a, b| a.key.cmp(&b.key).then(b.revision.cmp(&a.revision)));
    log.latest.dedup_by(|next, kept| next.key == kept.key);
    Ok(log)
}

/// Takes what a commit saw apart, and adds it to what others did.
pub(super) fn decode_row(
    seen: &str,
    revision: Revision,
    latest: &mut Vec<Sighted>,
) -> Result<(), StoreError> {
    let seen: Vec<StoredSighting<'_>> = serde_json::from_str(seen).map_err(damaged)?;
    for sighting in seen {
        latest.push(decode(sighting, revision).map_err(damaged)?);
    }
    Ok(())
}

fn decode(stored: StoredSighting<'_>, revision: Revision) -> Result<Sighted, InvalidField> {
    let StoredSighting(repo, server, last_check, updated_at) = stored;
    Ok(Sighted {
        key: Key { repo: RepoName::parse(&repo)?, server: ServerName::parse(&server)? },
        revision,
        last_check: ReportedTime::parse(&last_check)?,
        updated_at: Timestamp::from_millis(updated_at),
    })
}

fn damaged(reason: impl std::fmt::Display) -> StoreError {
    StoreError::Damaged { table: "sightings", reason: reason.to_string() }
}
