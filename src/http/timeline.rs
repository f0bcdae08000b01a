//! Timelines: `GET /api/timeline`.

use std::time::Duration;

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::caller::Caller;
use super::coding::Coding;
use super::error::ApiError;
use super::query::{QueryString, must_be};
use super::sending::Rendering;
use super::services::Services;
use super::times::range;
use crate::domain::{Filter, LineKind, TimelineQuery, Timestamp};
use crate::render;

/// Says that time was divided into steps, and how long they are.
const STEP: HeaderName = HeaderName::from_static("x-step");

/// How many rows there are at most without `limit`.
const USUAL_LIMIT: usize = 20_000;
/// The largest `limit`.
const MAX_LIMIT: usize = 100_000;
/// How long a timeline is without `from`.
const USUAL_SPAN: Duration = Duration::from_hours(24);

/// `GET /api/timeline`
pub(super) async fn timeline(
    _: Caller,
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let (filter, query) = parse(request.query_string(), services.clock.read().wall)?;
    let grant = services.sending.grant(Coding::negotiate(request.headers()));
    let coding = grant.coding;
    let (board, room) = (services.board.clone(), services.work.past(&filter));
    let answer = room.ask(&request, async move |effort| {
        let timeline = board.timeline(&filter, query, effort).await?;
        let step = timeline.step.map(|step| step.to_string());
        Ok((step, Rendering::begin(render::timeline(timeline))?.coded(coding)?))
    });
    let (step, rendering) = answer.await?;
    let mut response = services.sending.json(&request, rendering, grant);
    if let Some(step) = step.and_then(|step| HeaderValue::from_str(&step).ok()) {
        response.headers_mut().insert(STEP, step);
    }
    Ok(response)
}

/// Checks a query string.
pub(super) fn check_query(query: &str, now: Timestamp) -> Result<(), ApiError> {
    parse(query, now).map(drop)
}

/// Reads filters, `by`, `from`, `to` and `limit`.
pub(super) fn parse(query: &str, now: Timestamp) -> Result<(Filter, TimelineQuery), ApiError> {
    let sent = QueryString::with_filters(query, &["by", "from", "to", "limit"])?;
    let (from, to) = sent.times(now)?;
    let to = to.unwrap_or(now);
    let range = range(from.unwrap_or(to.minus(USUAL_SPAN)), to)?;
    let limit = sent.limit(1..=MAX_LIMIT)?.unwrap_or(USUAL_LIMIT);
    Ok((sent.filter()?, TimelineQuery::new(range, lines(&sent)?, limit)))
}

/// Reads `by`.
fn lines(sent: &QueryString<'_>) -> Result<LineKind, ApiError> {
    match sent.single("by")? {
        None => Ok(LineKind::Entry),
        Some("repo") => Ok(LineKind::Repo),
        Some("server") => Ok(LineKind::Server),
        Some(_) => Err(must_be("by", "repo or server")),
    }
}
