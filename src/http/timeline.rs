//! Timelines: `GET /api/timeline`.

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::access::Caller;
use super::coding::Coding;
use super::error::ApiError;
use super::query::TimelineRequest;
use super::sending::Begun;
use super::services::Services;
use crate::render;

/// Says that time was cut into steps, and how long they are.
const STEP: HeaderName = HeaderName::from_static("x-step");

/// `GET /api/timeline`
pub(super) async fn timeline(
    _: Caller,
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let now = services.clock.read().wall;
    let TimelineRequest { filter, query } = TimelineRequest::parse(request.query_string(), now)?;
    let place = services.sending.place(Coding::negotiate(request.headers()));
    let coding = place.coding;
    let (board, room) = (services.board.clone(), services.work.past(&filter));
    let answer = room.ask(&request, async move |effort| {
        let timeline = board.timeline(&filter, query, effort).await?;
        let step = timeline.step.map(|step| step.to_string());
        Ok((step, Begun::new(render::timeline(timeline))?.coded(coding)?))
    });
    let (step, begun) = answer.await?;
    let mut response = services.sending.fleeting(&request, begun, place);
    if let Some(step) = step.and_then(|step| HeaderValue::from_str(&step).ok()) {
        response.headers_mut().insert(STEP, step);
    }
    Ok(response)
}
