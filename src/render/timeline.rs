//! Timelines as JSON.

use bytes::Bytes;
use serde::Serialize;

use super::RenderError;
use crate::domain::Timeline;

/// Since when an entry stood how. Fields are only ever added, at the end.
#[derive(Serialize)]
struct Row<'a> {
    time: String,
    repo: &'a str,
    server: &'a str,
    /// Null where there is no entry any more.
    status_code: Option<u8>,
}

/// Returns a JSON array of a timeline's rows.
///
/// # Errors
/// See [`RenderError`].
pub fn timeline(timeline: &Timeline) -> Result<Bytes, RenderError> {
    let rows = timeline.rows().map(|(key, turn)| Row {
        time: turn.at.to_string(),
        repo: key.repo.as_str(),
        server: key.server.as_str(),
        status_code: turn.condition.code(),
    });
    Ok(serde_json::to_vec(&rows.collect::<Vec<_>>())?.into())
}
