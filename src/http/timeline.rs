//! Timelines: `GET /api/timeline`.

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

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
    let timeline = services.board.timeline(&filter, query).await?;
    let step = timeline.step.map(|step| step.to_string());
    let rendered = move || render::timeline(&timeline);
    let mut response = answer::worked_out(&request, &services, rendered).await?;
    if let Some(step) = step.and_then(|step| HeaderValue::from_str(&step).ok()) {
        response.headers_mut().insert(STEP, step);
    }
    Ok(response)
}
