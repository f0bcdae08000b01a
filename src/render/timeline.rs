//! Timelines as JSON.

use serde::Serialize;

use super::pieces::{Array, Pieces};
use crate::domain::{Phase, Timeline};

/// A condition of a line and its start. New fields are only added at the end.
#[derive(Serialize)]
struct Row<'a> {
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    repo: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<&'a str>,
    /// Null from the moment the entry, or the last entry of the name, is gone.
    status_code: Option<u8>,
}

/// Returns a JSON array of a timeline's rows.
#[must_use]
pub fn timeline(timeline: Timeline) -> impl Pieces {
    let Timeline { lines, phases, step: _ } = timeline;
    Array::new(phases, move |out, Phase { at, line, condition }| {
        let Some(line) = lines.get(line) else { return Ok(()) };
        let row = Row {
            time: at.to_string(),
            repo: line.repo(),
            server: line.server(),
            status_code: condition.code(),
        };
        Ok(serde_json::to_writer(out, &row)?)
    })
}
