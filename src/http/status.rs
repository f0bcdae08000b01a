//! Updates and removals: `POST` and `DELETE /api/status`.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::caller::Caller;
use super::error::ApiError;
use super::query::QueryString;
use super::sent_names::SentNames;
use super::services::Services;
use super::warning::{self, Warning};
use super::{answer, body, wire};
use crate::access::Right;
use crate::board::Refusal;
use crate::domain::{Action, Done, Key, Refused, Report, Request, Timestamp};

/// `POST /api/status`: stores an update, and answers once it is on disk.
pub(super) async fn post(
    caller: Caller,
    request: HttpRequest,
    payload: Payload,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let (report, mut warnings) = read(&caller, &request, payload, &services).await?;
    caller.check(Right::Write, report.key(), &request, &services)?;
    warnings.extend(warning::of_lifetime(services.board.shortened(&report)));
    let key = (!warnings.is_empty()).then(|| report.to_key());
    let without_token = caller.token().is_none() && services.access.has_tokens();
    let without_token = without_token.then(|| report.repo.clone());
    let outcome = submit(&services, caller, Action::Report(report)).await;
    services.metrics.updates.outcomes.note(word(outcome));
    let done = outcome?;
    if let Some(repo) = without_token {
        services.metrics.tokens.note_update_without_token(&repo);
    }
    if let Some(key) = key {
        services.update_log.note_warnings(&request, &key, &warnings);
    }
    if let Done::Recorded(omitted) = done {
        // The writer logs them with the change.
        warnings.extend(warning::of_omitted(omitted));
    }
    if warnings.is_empty() {
        return Ok(answer::json(wire::UPDATED));
    }
    for warning in &warnings {
        services.metrics.updates.warnings.note(warning.field);
    }
    Ok(answer::json(wire::updated_with(&warnings)?))
}

/// Reads a report, and the warnings about it, or logs its fault. The body is freed before the commit.
async fn read(
    caller: &Caller,
    request: &HttpRequest,
    payload: Payload,
    services: &Services,
) -> Result<(Report, Vec<Warning>), ApiError> {
    let mut names = SentNames::default();
    let read = body::read_json(request, payload, services).await.and_then(|body| {
        let report = wire::parse_report(&body.bytes);
        report.inspect_err(|_| names = SentNames::in_body(&body.bytes))
    });
    let note = |error: &_| {
        caller.note_allowed();
        services.update_log.note_refusal(request, caller.token(), &names, error);
    };
    read.inspect_err(note)
}

/// Returns the word for the outcome of an update in the metrics.
fn word(outcome: Result<Done, Refusal>) -> &'static str {
    match outcome {
        Ok(Done::Recorded(_) | Done::Removed) => "stored",
        Err(Refusal::Busy) => "busy",
        Err(Refusal::Refused(Refused::Full(_) | Refused::NoSuchEntry)) => "full",
        Err(Refusal::NotStored) => "not_stored",
    }
}

/// `DELETE /api/status`: removes an entry.
pub(super) async fn delete(
    caller: Caller,
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let key = removed(request.query_string()).inspect_err(|_| caller.note_allowed())?;
    caller.check(Right::Delete, key.borrow(), &request, &services)?;
    submit(&services, caller, Action::Remove(key)).await?;
    Ok(answer::json(wire::REMOVED))
}

/// Reads which entry is to be removed.
fn removed(query: &str) -> Result<Key, ApiError> {
    QueryString::parse(query, &["repo", "server"])?.key("given: which entry is to be removed")
}

/// Checks the query string of a removal.
pub(super) fn check_query(query: &str, _: Timestamp) -> Result<(), ApiError> {
    removed(query).map(drop)
}

/// Submits one request, and waits until it is done.
async fn submit(services: &Services, caller: Caller, action: Action) -> Result<Done, Refusal> {
    let answers = services.board.submit(vec![Request { action, by: caller.actor() }]).await;
    answers.into_iter().next().unwrap_or(Err(Refusal::NotStored))
}
