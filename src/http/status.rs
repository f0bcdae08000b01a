//! Updates and removals: `POST` and `DELETE /api/status`.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::access::Caller;
use super::error::ApiError;
use super::services::Services;
use super::warning;
use super::{answer, body, query, wire};
use crate::board::Removal;

/// `POST /api/status`: takes an update, and answers once it is on disk.
pub(super) async fn post(
    _: Caller,
    request: HttpRequest,
    payload: Payload,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    // The body is gone before the report waits for its commit.
    let (report, mut warnings) =
        wire::parse_report(&body::read_json(&request, payload, &services).await?.bytes)?;
    for warning in &warnings {
        let (repo, server) = (report.repo.as_str(), report.server.as_str());
        log::warn!("Update of {}:{}: {warning}", repo.escape_debug(), server.escape_debug());
    }
    warnings.extend(warning::of_omitted(services.board.record(report).await?));
    if warnings.is_empty() {
        return Ok(answer::json(wire::UPDATED));
    }
    for warning in &warnings {
        services.metrics.warnings.note(warning.field);
    }
    Ok(answer::json(wire::updated_with(&warnings)?))
}

/// `DELETE /api/status`: takes an entry out, for a server that is no more.
pub(super) async fn delete(
    _: Caller,
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let key = query::parse_key(request.query_string())?;
    match services.board.remove(key).await? {
        Removal::Removed => Ok(answer::json(wire::REMOVED)),
        Removal::NotFound => Err(ApiError::NoSuchEntry),
    }
}
