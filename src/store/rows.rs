//! The rows that a commit or an import writes, as JSON arrays.

use serde::{Serialize, Serializer};

use super::record::{EntryRow, SightingRow, TransitionRow};
use super::{Record, StoreError};
use crate::domain::{Entry, Outage, Plan, RowChange};

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

/// Records that are moved, as JSON arrays of rows; `None` in place of an empty array.
pub(super) struct MovedRows<'a> {
    pub(super) entries: Option<String>,
    /// Each with its id in front.
    pub(super) transitions: Option<String>,
    pub(super) outages: Vec<&'a Outage>,
}

impl<'a> MovedRows<'a> {
    pub(super) fn of(records: &'a [Record]) -> Result<Self, StoreError> {
        let (mut entries, mut transitions, mut outages) = (Vec::new(), Vec::new(), Vec::new());
        for record in records {
            match record {
                Record::Entry(entry) => entries.push(EntryRow(entry)),
                Record::Transition(id, transition) => {
                    transitions.push((*id, TransitionRow(transition)));
                }
                Record::Outage(outage) => outages.push(outage),
            }
        }
        let failed = |error: serde_json::Error| StoreError::Unavailable(error.into());
        Ok(Self {
            entries: json_array(entries).map_err(failed)?,
            transitions: json_array(transitions).map_err(failed)?,
            outages,
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
