//! The entries as the database has them.

use std::borrow::Cow;
use std::sync::Arc;

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

/// Reads everything, in the order of the keys.
pub(super) async fn read_all(connection: &mut SqliteConnection) -> Result<Loaded, StoreError> {
    let meta = sqlx::query(sql::META).fetch_one(&mut *connection).await?;
    let store_id = meta.try_get("store_id")?;
    let revision = Revision(meta.try_get("revision")?);
    let mut entries: Vec<Arc<Entry>> = Vec::new();
    loop {
        let before = entries.len();
        // No name is empty, so this is before every pair.
        let last = entries.last().map_or(KeyRef { repo: "", server: "" }, |entry| entry.key());
        let next = sqlx::query_scalar(sql::ENTRIES_AFTER)
            .bind(last.repo.to_owned())
            .bind(last.server.to_owned())
            .bind(READ_AT_ONCE);
        let text: String = next.fetch_one(&mut *connection).await?;
        let rows: Vec<StoredRow<'_>> = serde_json::from_str(&text).map_err(unreadable)?;
        for row in rows {
            let mut entry = decode(row)?;
            if let Some(last) = entries.last().filter(|last| last.report.repo == entry.report.repo)
            {
                // Neighbours share the name of their repository, as they do while updates arrive.
                entry.report.repo = last.report.repo.clone();
            }
            entries.push(Arc::new(entry));
        }
        if entries.len() == before {
            break;
        }
    }
    for mut sighted in read_sighted(connection, Revision(0)).await? {
        let place = entries.binary_search_by(|entry| entry.key().cmp(&sighted.key()));
        if let Some(entry) = place.ok().and_then(|place| entries.get_mut(place)) {
            sighted.report.repo = entry.report.repo.clone();
            *entry = Arc::new(sighted);
        }
    }
    Ok(Loaded { store_id, revision, entries })
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
    let put = put.into_iter().chain(sighted).map(Arc::new).collect();
    let gone = sqlx::query(sql::REMOVED_SINCE).bind(since.0).fetch_all(connection).await?;
    let removed = gone.iter().map(decode_key).collect::<Result<_, _>>()?;
    Ok(Some(Changes { revision, put, removed }))
}

/// Returns the entries that were seen after a revision and after their rows were written.
pub(super) async fn read_sighted(
    connection: &mut SqliteConnection,
    since: Revision,
) -> Result<Vec<Entry>, StoreError> {
    read_entries(connection, sql::SIGHTED_SINCE, since).await
}

/// Reads entries since a revision, each of which comes as a JSON array.
async fn read_entries(
    connection: &mut SqliteConnection,
    query: &'static str,
    since: Revision,
) -> Result<Vec<Entry>, StoreError> {
    let rows: Vec<String> = sqlx::query_scalar(query).bind(since.0).fetch_all(connection).await?;
    rows.iter().map(|row| decode(serde_json::from_str(row).map_err(unreadable)?)).collect()
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

fn decode(row: StoredRow<'_>) -> Result<Entry, StoreError> {
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
        repo: RepoName::parse(&repo).map_err(damaged)?,
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
