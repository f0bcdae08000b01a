//! Timelines as JSON.

use serde::Serialize;

use super::pieces::{Array, Pieces};
use crate::domain::{Key, Phase, Timeline};

/// A condition of an entry and its start. New fields are only added at the end.
#[derive(Serialize)]
struct Row<'a> {
    time: String,
    repo: &'a str,
    server: &'a str,
    /// Null from the moment the entry is gone.
    status_code: Option<u8>,
}

/// Returns a JSON array of a timeline's rows.
#[must_use]
pub fn timeline(timeline: Timeline) -> impl Pieces {
    let Timeline { keys, phases, step: _ } = timeline;
    Array::new(phases, move |out, Phase { at, pair, condition }| {
        let Some(Key { repo, server }) = keys.get(pair) else { return Ok(()) };
        let row = Row {
            time: at.to_string(),
            repo: repo.as_str(),
            server: server.as_str(),
            status_code: condition.code(),
        };
        Ok(serde_json::to_writer(out, &row)?)
    })
}
