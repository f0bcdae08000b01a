//! The rows that a commit writes, as JSON arrays.

use serde::{Serialize, Serializer};

use super::record::{EntryRow, SightingRow, TransitionRow};
use crate::domain::{Entry, Plan, RowChange};

/// A plan as JSON arrays of rows; `None` in place of an empty array.
pub(super) struct Rows {
    pub(super) put: Option<String>,
    pub(super) removed: Option<String>,
    pub(super) transitions: Option<String>,
    pub(super) seen: Option<String>,
}

impl Rows {
    /// Encodes a plan. `again` are entries that are written as seen, besides those of the plan.
    pub(super) fn of<'a>(
        plan: &'a Plan,
        again: impl IntoIterator<Item = &'a Entry>,
    ) -> Result<Self, serde_json::Error> {
        let (mut put, mut removed) = (Vec::new(), Vec::new());
        let mut seen: Vec<_> = again.into_iter().map(SightingRow).collect();
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
        Ok(Self {
            put: json_array(put)?,
            removed: json_array(removed)?,
            transitions: json_array(plan.transitions().iter().map(TransitionRow))?,
            seen: json_array(seen)?,
        })
    }
}

/// Encodes rows as a JSON array, unless there are none.
pub(super) fn json_array<T: Serialize>(
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
