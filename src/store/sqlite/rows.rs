//! The parameters of a commit.

use serde::{Serialize, Serializer};

use super::sightings::FoldStep;
use crate::domain::{Plan, RowChange};
use crate::store::record::{EntryRow, SightingRow, TransitionRow};

/// A plan as JSON arrays of rows; `None` in place of an empty array.
pub(super) struct Parameters {
    pub(super) put: Option<String>,
    pub(super) removed: Option<String>,
    pub(super) transitions: Option<String>,
    pub(super) seen: Option<String>,
    pub(super) folded: Option<String>,
}

pub(super) fn encode(plan: &Plan, step: &FoldStep) -> Result<Parameters, serde_json::Error> {
    let (mut put, mut removed) = (Vec::new(), Vec::new());
    let mut seen: Vec<_> = step.log_again.iter().map(|(_, entry)| SightingRow(&entry.0)).collect();
    for row in plan.rows() {
        let entry = row.entry();
        match row {
            RowChange::Put(_) => put.push(EntryRow(entry)),
            RowChange::Removed(_) => {
                removed.push((entry.report.repo.as_str(), entry.report.server.as_str()));
            }
            RowChange::Seen(_) => seen.push(SightingRow(entry)),
        }
    }
    // In the order of the keys, so that neighbours are written while their pages are cached.
    put.sort_unstable_by(|a, b| a.0.key().cmp(&b.0.key()));
    Ok(Parameters {
        put: json_array(put)?,
        removed: json_array(removed)?,
        transitions: json_array(plan.transitions().iter().map(TransitionRow))?,
        seen: json_array(seen)?,
        folded: json_array(step.entries.iter().map(|entry| SightingRow(entry)))?,
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
