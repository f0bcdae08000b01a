//! Timelines: `GET /api/timeline`.

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::coding::Coding;
use super::error::ApiError;
use super::openapi::{parameter, schema};
use super::query::TimelineRequest;
use super::{Services, answer};
use crate::render;

/// Says that time was cut into steps, and how long they are.
const STEP: HeaderName = HeaderName::from_static("x-step");

/// `GET /api/timeline`
#[utoipa::path(
    get,
    path = "/api/timeline",
    summary = "How entries stood over time",
    params(parameter::Filters, parameter::Span, parameter::Length),
    responses(
        (status = 200, description = "States, ascending by time; `X-Step` says if time was cut into steps", body = Vec<schema::Turn>),
        (status = 400, description = "A parameter is wrong", body = schema::Failure),
        (status = 503, description = "It took too long to find", body = schema::Failure),
    ),
)]
pub(super) async fn timeline(
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let now = services.clock.read().wall;
    let TimelineRequest { filter, query } = TimelineRequest::parse(request.query_string(), now)?;
    let coding = Coding::negotiate(request.headers());
    let (board, room) = (services.board.clone(), services.work.past(&filter));
    let answer = room.ask(&request, async move |effort| {
        let timeline = board.timeline(&filter, query, effort).await?;
        let step = timeline.step.map(|step| step.to_string());
        Ok((step, coding.encode(&[render::timeline(&timeline)?])?))
    });
    let (step, bytes) = answer.await?;
    let mut response = answer::fleeting("application/json", coding, vec![bytes]);
    if let Some(step) = step.and_then(|step| HeaderValue::from_str(&step).ok()) {
        response.headers_mut().insert(STEP, step);
    }
    Ok(response)
}
