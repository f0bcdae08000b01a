//! The parameters of the history: filters, events, time, and place.

use super::{QueryString, must_be, range};
use crate::domain::{Cursor, Event, HistoryQuery, TimeRange, means_all};
use crate::http::error::ApiError;

/// How many transitions are listed if nothing is said.
const USUAL_LIMIT: usize = 100;
/// The largest `limit`.
const MAX_LIMIT: usize = 10_000;

/// What the history is asked for, and how it is written.
pub(in crate::http) struct HistoryRequest {
    pub(in crate::http) query: HistoryQuery,
    pub(in crate::http) flat: bool,
}

impl HistoryRequest {
    /// Reads a query string.
    ///
    /// # Errors
    /// 400 with the parameter's name and what it takes.
    pub(in crate::http) fn parse(query: &str) -> Result<Self, ApiError> {
        let others = ["event", "from", "to", "limit", "cursor", "flat"];
        let sent = QueryString::with_filters(query, &others)?;
        let TimeRange { from, to } = TimeRange::ALL;
        let (sent_from, sent_to) = sent.range()?;
        let after = sent.single("cursor")?.map(|text| {
            let place = Cursor::parse(text);
            place.ok_or_else(|| must_be("cursor", "what next was in an answer"))
        });
        let query = HistoryQuery {
            filter: sent.filter()?,
            events: events(&sent)?,
            range: range(sent_from.unwrap_or(from), sent_to.unwrap_or(to))?,
            after: after.transpose()?,
            limit: sent.limit(1..=MAX_LIMIT)?.unwrap_or(USUAL_LIMIT),
        };
        Ok(Self { query, flat: sent.truth("flat")?.unwrap_or(false) })
    }
}

/// Reads a list of events; empty is all.
fn events(sent: &QueryString<'_>) -> Result<Vec<Event>, ApiError> {
    let mut events = Vec::new();
    let mut filters = true;
    for word in sent.elements("event") {
        if means_all(word) {
            filters = false;
            continue;
        }
        let event = Event::parse(&word.to_ascii_lowercase()).ok_or_else(|| {
            let known = Event::ALL.map(Event::as_str).join(", ");
            must_be("event", &format!("a list of {known}"))
        })?;
        if !events.contains(&event) {
            events.push(event);
        }
    }
    Ok(if filters { events } else { Vec::new() })
}
