//! The history: `GET /api/history`.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::caller::Caller;
use super::coding::Coding;
use super::error::ApiError;
use super::query::{QueryString, must_be};
use super::sending::Rendering;
use super::services::Services;
use super::times::range;
use crate::domain::{Cursor, Event, HistoryQuery, TimeRange, Timestamp, means_all};
use crate::render;

/// How many transitions are listed without `limit`.
const USUAL_LIMIT: usize = 100;
/// The largest `limit`.
const MAX_LIMIT: usize = 10_000;

/// `GET /api/history`
pub(super) async fn history(
    _: Caller,
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let (query, flat) = parse(request.query_string(), services.clock.read().wall)?;
    let grant = services.sending.grant(Coding::negotiate(request.headers()));
    let coding = grant.coding;
    let (board, room) = (services.board.clone(), services.work.past(&query.filter));
    let rendering = room.ask(&request, async move |_| {
        let page = board.history(&query).await?;
        Ok(Rendering::begin(render::history(page, flat))?.coded(coding)?)
    });
    Ok(services.sending.json(&request, rendering.await?, grant))
}

/// Checks a query string.
pub(super) fn check_query(query: &str, now: Timestamp) -> Result<(), ApiError> {
    parse(query, now).map(drop)
}

/// Reads filters, `event`, `from`, `to`, `limit` and `cursor`; and `flat`, which is returned beside
/// the query.
pub(super) fn parse(query: &str, now: Timestamp) -> Result<(HistoryQuery, bool), ApiError> {
    let others = ["event", "from", "to", "limit", "cursor", "flat"];
    let sent = QueryString::with_filters(query, &others)?;
    let (from, to) = sent.times(now)?;
    let after = sent.single("cursor")?.map(|text| {
        Cursor::parse(text).ok_or_else(|| must_be("cursor", "what next was in an answer"))
    });
    let query = HistoryQuery {
        filter: sent.filter()?,
        events: events(&sent)?,
        range: range(from.unwrap_or(TimeRange::ALL.from), to.unwrap_or(TimeRange::ALL.to))?,
        after: after.transpose()?,
        limit: sent.limit(1..=MAX_LIMIT)?.unwrap_or(USUAL_LIMIT),
    };
    Ok((query, sent.boolean("flat")?.unwrap_or(false)))
}

/// Reads `event`; an empty list means all events.
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
