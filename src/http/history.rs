//! The history: `GET /api/history`.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::coding::Coding;
use super::error::ApiError;
use super::query::HistoryRequest;
use super::{Services, answer};
use crate::render;

/// `GET /api/history`
pub(super) async fn history(
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let HistoryRequest { query, flat } = HistoryRequest::parse(request.query_string())?;
    let coding = Coding::negotiate(request.headers());
    let page = services.board.history(&query).await?;
    answer::worked_out(coding, move || render::history(&page, flat)).await
}
