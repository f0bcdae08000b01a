//! The entries as the database has them.

use std::borrow::Cow;
use std::sync::Arc;

use futures_util::future::join;
use serde::Deserialize;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::{TOMBSTONES_KEPT, read_revision, sql};
use crate::domain::{
    Changes, DriftCount, Entry, FileName, GitRevision, InvalidField, Key, KeyRef, Promise,
    RepoName, Report, ReportedTime, Revision, RunUrl, ServerName, SyncStatus, Timestamp,
};
use crate::store::{Loaded, StoreError};

/// How many entries are read at once.
const READ_AT_ONCE: i64 = 4096;

/// A repository and a server.
type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// An entry as [`super::sql`] makes a JSON array of it.
#[derive(Deserialize)]
struct StoredRow<'a>(
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    u64,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    i64,
    i64,
    Option<u32>,
    Option<u32>,
    Option<Cow<'a, str>>,
    Option<Cow<'a, str>>,
    u8,
);

/// Everything that a database holds of the present.
#[derive(Debug)]
pub(super) struct Everything {
    pub(super) loaded: Loaded,
    /// Those of the entries that were seen after their rows were written.
    pub(super) sighted: Vec<Arc<Entry>>,
}

/// Some entries in the order of their keys, not yet taken apart.
struct Page {
    rows: String,
    /// The pair after which the next page begins; `None` if this is the last one.
    last: Option<String>,
}

impl Everything {
    /// Brings what was seen of entries together with their rows, which are in the order of the keys.
    pub(super) fn new(mut rows: Loaded, mut sighted: Vec<Arc<Entry>>) -> Self {
        let entries = &mut rows.entries;
        sighted.retain(|entry| {
            let place = entries.binary_search_by(|present| present.key().cmp(&entry.key()));
            let present = place.ok().and_then(|place| entries.get_mut(place));
            present.map(|present| *present = Arc::clone(entry)).is_some()
        });
        Self { loaded: rows, sighted }
    }
}

/// Reads everything, in the order of the keys.
pub(super) async fn read_all(connection: &mut SqliteConnection) -> Result<Everything, StoreError> {
    let rows = read_rows(connection).await?;
    let sighted = read_sighted(connection, Revision(0)).await?;
    Ok(Everything::new(rows, sighted))
}

/// Reads everything but what was seen of entries after their rows were written.
pub(super) async fn read_rows(connection: &mut SqliteConnection) -> Result<Loaded, StoreError> {
    let meta = sqlx::query(sql::META).fetch_one(&mut *connection).await?;
    let store_id = meta.try_get("store_id")?;
    let revision = Revision(meta.try_get("revision")?);
    let mut entries: Vec<Arc<Entry>> = Vec::new();
    // No name is empty, so this is before every pair.
    let mut page = read_page(connection, KeyRef { repo: "", server: "" }).await?;
    while let Some(last) = &page.last {
        let (repo, server): Pair<'_> = serde_json::from_str(last).map_err(unreadable)?;
        let last = KeyRef { repo: &repo, server: &server };
        // A connection has a thread of its own, which reads a page while the one before is decoded.
        let next = read_page(connection, last);
        let (next, decoded) = join(next, async { decode_rows(&page.rows, &mut entries) }).await;
        decoded?;
        page = next?;
    }
    decode_rows(&page.rows, &mut entries)?;
    Ok(Loaded { store_id, revision, entries })
}

async fn read_page(
    connection: &mut SqliteConnection,
    after: KeyRef<'_>,
) -> Result<Page, StoreError> {
    let query = sqlx::query(sql::ENTRIES_AFTER)
        .bind(after.repo.to_owned())
        .bind(after.server.to_owned())
        .bind(READ_AT_ONCE);
    let page = query.fetch_one(connection).await?;
    Ok(Page { rows: page.try_get("page")?, last: page.try_get("last")? })
}

pub(super) async fn read_changes(
    connection: &mut SqliteConnection,
    since: Revision,
) -> Result<Option<Changes>, StoreError> {
    let revision = read_revision(&mut *connection).await?;
    if revision.0 - since.0 > TOMBSTONES_KEPT {
        return Ok(None);
    }
    let put = read_entries(&mut *connection, sql::ENTRIES_SINCE, since).await?;
    // What was seen of an entry after its row was written comes after the row.
    let sighted = read_sighted(&mut *connection, since).await?;
    let put = put.into_iter().chain(sighted).collect();
    let gone = sqlx::query(sql::REMOVED_SINCE).bind(since.0).fetch_all(connection).await?;
    let removed = gone.iter().map(decode_key).collect::<Result<_, _>>()?;
    Ok(Some(Changes { revision, put, removed }))
}

/// Returns the entries that were seen after a revision and after their rows were written.
pub(super) async fn read_sighted(
    connection: &mut SqliteConnection,
    since: Revision,
) -> Result<Vec<Arc<Entry>>, StoreError> {
    read_entries(connection, sql::SIGHTED_SINCE, since).await
}

/// Reads entries since a revision, each of which comes as a JSON array: all in one text could be
/// longer than SQLite takes.
async fn read_entries(
    connection: &mut SqliteConnection,
    query: &'static str,
    since: Revision,
) -> Result<Vec<Arc<Entry>>, StoreError> {
    let rows: Vec<String> = sqlx::query_scalar(query).bind(since.0).fetch_all(connection).await?;
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        decode_next(serde_json::from_str(&row).map_err(unreadable)?, &mut entries)?;
    }
    Ok(entries)
}

/// Decodes a JSON array of rows, and puts the entries behind those before.
fn decode_rows(rows: &str, entries: &mut Vec<Arc<Entry>>) -> Result<(), StoreError> {
    let rows: Vec<StoredRow<'_>> = serde_json::from_str(rows).map_err(unreadable)?;
    rows.into_iter().try_for_each(|row| decode_next(row, entries))
}

/// Decodes a row, and puts the entry behind those before.
fn decode_next(row: StoredRow<'_>, entries: &mut Vec<Arc<Entry>>) -> Result<(), StoreError> {
    // Neighbours share the name of their repository, as they do while updates arrive.
    let repo = entries.last().map(|last| &last.report.repo);
    let repo = repo.filter(|repo| repo.as_str() == row.0).cloned();
    entries.push(Arc::new(decode(row, repo)?));
    Ok(())
}

fn decode_key(row: &SqliteRow) -> Result<Key, StoreError> {
    let damaged = |error: InvalidField| StoreError::Damaged {
        table: "tombstones",
        reason: error.to_string(),
    };
    Ok(Key {
        repo: RepoName::parse(row.try_get("repo")?).map_err(damaged)?,
        server: ServerName::parse(row.try_get("server")?).map_err(damaged)?,
    })
}

/// Takes a row apart; the name of its repository can be given if it is at hand.
fn decode(row: StoredRow<'_>, known_repo: Option<RepoName>) -> Result<Entry, StoreError> {
    let StoredRow(
        repo,
        server,
        sync_status,
        drift_count,
        files,
        last_check,
        updated_at,
        status_since,
        stale_after_seconds,
        ttl_seconds,
        revision,
        url,
        stale_recorded,
    ) = row;
    let report = Report {
        repo: known_repo.map_or_else(|| RepoName::parse(&repo), Ok).map_err(damaged)?,
        server: ServerName::parse(&server).map_err(damaged)?,
        sync_status: SyncStatus::parse(&sync_status).ok_or(SyncStatus::INVALID).map_err(damaged)?,
        drift_count: DriftCount::parse(drift_count).map_err(damaged)?,
        files: decode_files(&files)?,
        last_check: ReportedTime::parse(&last_check).map_err(damaged)?,
        promise: Promise { stale_after_seconds, ttl_seconds },
        revision: optional(revision.as_deref(), GitRevision::parse)?,
        url: optional(url.as_deref(), RunUrl::parse)?,
    };
    Ok(Entry {
        report,
        updated_at: Timestamp::from_millis(updated_at),
        status_since: Timestamp::from_millis(status_since),
        stale_recorded: stale_recorded != 0,
    })
}

fn decode_files(json: &str) -> Result<Box<[FileName]>, StoreError> {
    if json == "[]" {
        return Ok(Box::default());
    }
    let names: Vec<Cow<'_, str>> = serde_json::from_str(json).map_err(unreadable)?;
    names.iter().map(|name| FileName::parse(name).map_err(damaged)).collect()
}

fn optional<T>(
    text: Option<&str>,
    parse: fn(&str) -> Result<T, InvalidField>,
) -> Result<Option<T>, StoreError> {
    text.map(parse).transpose().map_err(damaged)
}

fn damaged(error: InvalidField) -> StoreError {
    StoreError::Damaged { table: "entries", reason: error.to_string() }
}

#[expect(clippy::needless_pass_by_value, reason = "so it fits `map_err`")]
fn unreadable(error: serde_json::Error) -> StoreError {
    StoreError::Damaged { table: "entries", reason: error.to_string() }
}
