//! Updates and removals: `POST` and `DELETE /api/status`.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::access::Caller;
use super::error::ApiError;
use super::query::QueryString;
use super::services::Services;
use super::warning;
use super::{answer, body, wire};
use crate::board::{Refusal, Removal};
use crate::domain::Omitted;

/// `POST /api/status`: stores an update, and answers once it is on disk.
pub(super) async fn post(
    _: Caller,
    request: HttpRequest,
    payload: Payload,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    // Reading and parsing are one statement, so that the body is freed before the commit.
    let (report, mut warnings) =
        wire::parse_report(&body::read_json(&request, payload, &services).await?.bytes)?;
    for warning in &warnings {
        let (repo, server) = (report.repo.as_str(), report.server.as_str());
        log::warn!("Update of {}:{}: {warning}", repo.escape_debug(), server.escape_debug());
    }
    let recorded = services.board.record(report).await;
    services.metrics.updates.note(outcome(recorded));
    warnings.extend(warning::of_omitted(recorded?));
    if warnings.is_empty() {
        return Ok(answer::json(wire::UPDATED));
    }
    for warning in &warnings {
        services.metrics.warnings.note(warning.field);
    }
    Ok(answer::json(wire::updated_with(&warnings)?))
}

/// Returns the word for the outcome of an update in the metrics.
fn outcome(recorded: Result<Omitted, Refusal>) -> &'static str {
    match recorded {
        Ok(_) => "stored",
        Err(Refusal::Busy) => "busy",
        Err(Refusal::Full(_)) => "full",
        Err(Refusal::NotStored) => "not_stored",
    }
}

/// `DELETE /api/status`: removes an entry.
pub(super) async fn delete(
    _: Caller,
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let sent = QueryString::parse(request.query_string(), &["repo", "server"])?;
    let key = sent.key("given: which entry is to be removed")?;
    match services.board.remove(key).await? {
        Removal::Removed => Ok(answer::json(wire::REMOVED)),
        Removal::NotFound => Err(ApiError::NoSuchEntry),
    }
}
