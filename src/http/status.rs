//! Updates and removals: `POST` and `DELETE /api/status`.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::error::ApiError;
use super::{Services, answer, body, query, wire};
use crate::board::Removal;

/// `POST /api/status`: takes an update, and answers once it is on disk.
pub(super) async fn post(
    request: HttpRequest,
    payload: Payload,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let body = body::read_json(&request, payload, services.limits).await?;
    let report = wire::parse_report(&body)?;
    services.board.record(report).await?;
    Ok(answer::json(wire::UPDATED))
}

/// `DELETE /api/status`: takes an entry out, for a server that is no more.
pub(super) async fn delete(
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let key = query::parse_key(request.query_string())?;
    match services.board.remove(key).await? {
        Removal::Removed => Ok(answer::json(wire::REMOVED)),
        Removal::NotFound => Err(ApiError::NoSuchEntry),
    }
}
