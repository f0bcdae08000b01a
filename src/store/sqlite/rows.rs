//! The parameters of a commit, from the domain.

use std::sync::Arc;

use serde::ser::{SerializeSeq, SerializeTuple};
use serde::{Serialize, Serializer};

use crate::domain::{
    Entry, FileName, GitRevision, KeyRef, Plan, Recorded, Report, ReporterSchedule, RowChange,
    RunUrl, Transition,
};

/// A batch as JSON arrays of arrays, whose places are those in [`super::sql::PREPARE`]; `None` where
/// there would be nothing in them.
pub(super) struct Parameters {
    pub(super) put: Option<String>,
    pub(super) removed: Option<String>,
    pub(super) transitions: Option<String>,
    pub(super) seen: Option<String>,
    pub(super) folded: Option<String>,
}

pub(super) fn encode(plan: &Plan, folded: &[Arc<Entry>]) -> Result<Parameters, serde_json::Error> {
    let (mut put, mut removed, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    for row in plan.rows() {
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
        transitions: json_array(plan.transitions().iter().map(TransitionRow))?,
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
        let Entry { report, updated_at, status_since, recorded } = self.0;
        let Recorded { stale: stale_recorded } = recorded;
        let Report {
            repo,
            server,
            sync_status,
            drift_count,
            files,
            last_check,
            schedule: ReporterSchedule { stale_after_seconds, ttl_seconds },
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
