//! The parameters of a commit.

use super::sightings::FoldStep;
use crate::domain::Plan;
use crate::store::record::SightingRow;
use crate::store::rows::{Rows, json_array};

/// The rows of a plan, and the entries to fold.
pub(super) struct Parameters {
    pub(super) rows: Rows,
    pub(super) folded: Option<String>,
}

pub(super) fn encode(plan: &Plan, step: &FoldStep) -> Result<Parameters, serde_json::Error> {
    let again = step.log_again.iter().map(|(_, entry)| &*entry.0);
    Ok(Parameters {
        rows: Rows::of(plan, again)?,
        folded: json_array(step.entries.iter().map(|entry| SightingRow(entry)))?,
    })
}
