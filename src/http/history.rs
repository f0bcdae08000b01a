//! The history: `GET /api/history`.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::Services;
use super::coding::Coding;
use super::error::ApiError;
use super::openapi::{parameter, schema};
use super::query::HistoryRequest;
use super::sending::Begun;
use crate::render;

/// `GET /api/history`
#[utoipa::path(
    get,
    path = "/api/history",
    summary = "What happened, newest first",
    params(parameter::Filters, parameter::Past, parameter::Span),
    responses(
        (status = 200, description = "Changes of entries", body = schema::HistoryPage),
        (status = 400, description = "A parameter is wrong", body = schema::Failure),
        (status = 503, description = "It took too long to find", body = schema::Failure),
    ),
)]
pub(super) async fn history(
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let HistoryRequest { query, flat } = HistoryRequest::parse(request.query_string())?;
    let place = services.sending.place(Coding::negotiate(request.headers()));
    let coding = place.coding;
    let (board, room) = (services.board.clone(), services.work.past(&query.filter));
    let begun = room.ask(&request, async move |_| {
        let page = board.history(&query).await?;
        Ok(Begun::new(render::history(page, flat))?.coded(coding)?)
    });
    Ok(services.sending.fleeting(&request, begun.await?, place))
}
