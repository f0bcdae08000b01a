//! The history: `GET /api/history`.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::error::ApiError;
use super::openapi::{parameter, schema};
use super::query::HistoryRequest;
use super::{Services, answer};
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
    let page = services.board.history(&query).await?;
    answer::worked_out(&request, &services, move || render::history(&page, flat)).await
}
