//! Updates and removals: `POST` and `DELETE /api/status`.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::error::ApiError;
use super::openapi::{parameter, schema};
use super::warning;
use super::{Services, answer, body, query, wire};
use crate::board::Removal;

/// `POST /api/status`: takes an update, and answers once it is on disk.
#[utoipa::path(
    post,
    path = "/api/status",
    summary = "Take an update",
    request_body = schema::Update,
    responses(
        (status = 200, description = "It is on disk", body = schema::Updated),
        (status = 400, description = "It is not acceptable", body = schema::Failure),
        (status = 408, description = "The body did not arrive in time", body = schema::Failure),
        (status = 413, description = "The body is too large", body = schema::Failure),
        (status = 415, description = "The body is not JSON", body = schema::Failure),
        (status = 503, description = "It could not be stored, or too much is being sent", body = schema::Failure),
        (status = 507, description = "It would be a new entry, and max_entries or 90 % of max_stored_bytes are reached", body = schema::Failure),
    ),
)]
pub(super) async fn post(
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
#[utoipa::path(
    delete,
    path = "/api/status",
    summary = "Take an entry out",
    params(parameter::Pair),
    responses(
        (status = 200, description = "It is gone", body = schema::Done),
        (status = 400, description = "A parameter is wrong", body = schema::Failure),
        (status = 404, description = "There is none", body = schema::Failure),
        (status = 503, description = "It could not be stored", body = schema::Failure),
    ),
)]
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
