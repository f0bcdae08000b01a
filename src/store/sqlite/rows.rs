//! Rows and parameters of the SQLite store, from and to the domain.

use std::sync::Arc;

use serde::ser::{SerializeSeq, SerializeTuple};
use serde::{Serialize, Serializer};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::domain::{
    Batch, DriftCount, Entry, FileName, GitRevision, InvalidField, KeyRef, Promise, RepoName,
    Report, ReportedTime, RowChange, RunUrl, ServerName, SyncStatus, Timestamp, Transition,
};
use crate::store::StoreError;

/// A batch as JSON arrays of arrays, whose places are those in [`super::sql::PREPARE`]; `None` where
/// there would be nothing in them.
pub(super) struct Parameters {
    pub(super) put: Option<String>,
    pub(super) removed: Option<String>,
    pub(super) transitions: Option<String>,
    pub(super) seen: Option<String>,
    pub(super) folded: Option<String>,
}

pub(super) fn encode(
    batch: &Batch,
    folded: &[Arc<Entry>],
) -> Result<Parameters, serde_json::Error> {
    let (mut put, mut removed, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    for row in batch.rows() {
        let entry = row.entry();
        match row {
            RowChange::Put(_) => put.push(EntryRow(entry)),
            RowChange::Removed(_) => removed.push(KeyRow(entry.key())),
            RowChange::Seen(_) => seen.push(SightingRow(entry)),
        }
    }
    // Neighbours are written one after the other, while their pages are at hand.
    put.sort_unstable_by(|a, b| a.0.key().cmp(&b.0.key()));
    Ok(Parameters {
        put: json_array(put)?,
        removed: json_array(removed)?,
        transitions: json_array(batch.transitions().iter().map(TransitionRow))?,
        seen: json_array(seen)?,
        folded: json_array(folded.iter().map(|entry| SightingRow(entry)))?,
    })
}

fn json_array<T: Serialize>(
    rows: impl IntoIterator<Item = T>,
) -> Result<Option<String>, serde_json::Error> {
    let mut rows = rows.into_iter().peekable();
    if rows.peek().is_none() {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(4096);
    serde_json::Serializer::new(&mut bytes).collect_seq(rows)?;
    String::from_utf8(bytes).map(Some).map_err(serde::ser::Error::custom)
}

struct SightingRow<'a>(&'a Entry);

impl Serialize for SightingRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Entry { report, updated_at, .. } = self.0;
        let mut row = serializer.serialize_tuple(4)?;
        row.serialize_element(report.repo.as_str())?;
        row.serialize_element(report.server.as_str())?;
        row.serialize_element(&format_args!("{}", report.last_check))?;
        row.serialize_element(&updated_at.millis())?;
        row.end()
    }
}

struct EntryRow<'a>(&'a Entry);

impl Serialize for EntryRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Entry { report, updated_at, status_since, stale_recorded } = self.0;
        let Report {
            repo,
            server,
            sync_status,
            drift_count,
            files,
            last_check,
            promise: Promise { stale_after_seconds, ttl_seconds },
            revision,
            url,
        } = report;
        let mut row = serializer.serialize_tuple(13)?;
        row.serialize_element(repo.as_str())?;
        row.serialize_element(server.as_str())?;
        row.serialize_element(sync_status.as_str())?;
        row.serialize_element(&drift_count.get())?;
        row.serialize_element(&Names(files))?;
        row.serialize_element(&format_args!("{last_check}"))?;
        row.serialize_element(&updated_at.millis())?;
        row.serialize_element(&status_since.millis())?;
        row.serialize_element(stale_after_seconds)?;
        row.serialize_element(ttl_seconds)?;
        row.serialize_element(&revision.as_ref().map(GitRevision::as_str))?;
        row.serialize_element(&url.as_ref().map(RunUrl::as_str))?;
        row.serialize_element(&u8::from(*stale_recorded))?;
        row.end()
    }
}

struct KeyRow<'a>(KeyRef<'a>);

impl Serialize for KeyRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.0.repo, self.0.server).serialize(serializer)
    }
}

struct TransitionRow<'a>(&'a Transition);

impl Serialize for TransitionRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Transition {
            at,
            repo,
            server,
            event,
            sync_status,
            drift_count,
            files_added,
            files_removed,
            revision,
            url,
        } = self.0;
        let mut row = serializer.serialize_tuple(12)?;
        row.serialize_element(&at.millis())?;
        row.serialize_element(repo.as_str())?;
        row.serialize_element(server.as_str())?;
        row.serialize_element(event.as_str())?;
        row.serialize_element(sync_status.as_str())?;
        row.serialize_element(&drift_count.get())?;
        row.serialize_element(&Names(&files_added.names))?;
        row.serialize_element(&files_added.count)?;
        row.serialize_element(&Names(&files_removed.names))?;
        row.serialize_element(&files_removed.count)?;
        row.serialize_element(&revision.as_ref().map(GitRevision::as_str))?;
        row.serialize_element(&url.as_ref().map(RunUrl::as_str))?;
        row.end()
    }
}

struct Names<'a>(&'a [FileName]);

impl Serialize for Names<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut names = serializer.serialize_seq(Some(self.0.len()))?;
        for name in self.0 {
            names.serialize_element(name.as_str())?;
        }
        names.end()
    }
}

/// Reads a row of `entries`.
pub(super) fn decode(row: &SqliteRow) -> Result<Entry, StoreError> {
    let report = Report {
        repo: RepoName::parse(row.try_get("repo")?).map_err(damaged)?,
        server: ServerName::parse(row.try_get("server")?).map_err(damaged)?,
        sync_status: SyncStatus::parse(row.try_get("sync_status")?)
            .ok_or(SyncStatus::INVALID)
            .map_err(damaged)?,
        drift_count: row
            .try_get::<i64, _>("drift_count")?
            .try_into()
            .map_err(|_| DriftCount::INVALID)
            .and_then(DriftCount::parse)
            .map_err(damaged)?,
        files: decode_files(row.try_get("files")?)?,
        last_check: ReportedTime::parse(row.try_get("last_check")?).map_err(damaged)?,
        promise: Promise {
            stale_after_seconds: row.try_get("stale_after_seconds")?,
            ttl_seconds: row.try_get("ttl_seconds")?,
        },
        revision: optional(row.try_get("report_revision")?, GitRevision::parse)?,
        url: optional(row.try_get("url")?, RunUrl::parse)?,
    };
    Ok(Entry {
        report,
        updated_at: Timestamp::from_millis(row.try_get("updated_at")?),
        status_since: Timestamp::from_millis(row.try_get("status_since")?),
        stale_recorded: row.try_get::<i64, _>("stale_recorded")? != 0,
    })
}

fn decode_files(json: &str) -> Result<Box<[FileName]>, StoreError> {
    let names: Vec<String> = serde_json::from_str(json)
        .map_err(|error| StoreError::Damaged { table: "entries", reason: error.to_string() })?;
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
