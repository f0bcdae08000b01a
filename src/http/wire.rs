//! The JSON of updates: how a report is read, and how it is answered.
//!
//! The API promises the order of checks: the whole document, then whether all fields are there, then
//! each field.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::document;
use super::error::ApiError;
use super::files::Files;
use super::malformed::{self, BYTE_ORDER_MARK};
use super::warning::Warning;
use crate::domain::{
    DriftCount, GitRevision, InvalidField, RepoName, Report, ReportedTime, ReporterSchedule,
    RunUrl, ServerName, SyncStatus,
};
use crate::render::RenderError;

/// The answer to an accepted update.
pub(super) const UPDATED: &str = r#"{"status":"ok","message":"Status updated successfully"}"#;
/// The answer to a removal.
pub(super) const REMOVED: &str = r#"{"status":"ok","message":"Status removed"}"#;

/// Returns the answer to an update that was stored with warnings.
pub(super) fn updated_with(warnings: &[Warning]) -> Result<String, RenderError> {
    let warnings: Vec<String> = warnings.iter().map(Warning::to_string).collect();
    let mut answer = UPDATED.trim_end_matches('}').to_owned();
    answer.push_str(",\"warnings\":");
    answer.push_str(&serde_json::to_string(&warnings)?);
    answer.push('}');
    Ok(answer)
}

/// Reads a report, and the warnings about fields that it was stored without.
///
/// # Errors
/// That of the first check that fails.
pub(super) fn parse_report(body: &[u8]) -> Result<(Report, Vec<Warning>), ApiError> {
    let json = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    let text = std::str::from_utf8(json).map_err(|_| invalid(body))?;
    // The derived reader alone would also take an array of the values.
    if !text.trim_ascii_start().starts_with('{') || !document::is_acceptable(text) {
        return Err(invalid(body));
    }
    let document: Document<'_> = serde_json::from_str(text)
        .map_err(|error| if error.is_data() { repeating(&error) } else { invalid(body) })?;
    let files = document.files.map(Files::parse).transpose()?;
    let repo = required(document.repo, "repo")?;
    let server = required(document.server, "server")?;
    let sync_status = required(document.sync_status, "sync_status")?;
    let drift_count = required(document.drift_count, "drift_count")?;
    let files = files.ok_or(ApiError::MissingField("files"))?;
    let last_check = required(document.last_check, "last_check")?;

    let word = string(sync_status).ok_or(ApiError::InvalidSyncStatus)?;
    let mut warnings = Vec::new();
    let report = Report {
        sync_status: SyncStatus::parse(&word).ok_or(ApiError::InvalidSyncStatus)?,
        repo: text_field(repo, RepoName::INVALID, RepoName::parse)?,
        server: text_field(server, ServerName::INVALID, ServerName::parse)?,
        drift_count: digits(drift_count).ok_or(DriftCount::INVALID).and_then(DriftCount::parse)?,
        files: files.names()?,
        last_check: text_field(last_check, ReportedTime::INVALID, ReportedTime::parse)?,
        schedule: ReporterSchedule {
            stale_after_seconds: seconds(
                document.stale_after_seconds,
                ReporterSchedule::INVALID_STALE_AFTER,
            )?,
            ttl_seconds: seconds(document.ttl_seconds, ReporterSchedule::INVALID_TTL)?,
        },
        revision: optional_text(
            document.revision,
            GitRevision::INVALID,
            GitRevision::parse,
            &mut warnings,
        ),
        url: optional_text(document.url, RunUrl::INVALID, RunUrl::parse, &mut warnings),
    };
    Ok((report, warnings))
}

/// A report as it was sent. Null counts as absent, a repeated field is an error, and unknown fields
/// are skipped.
#[derive(Deserialize)]
struct Document<'a> {
    // Says that the lifetime is borrowed from the text, so it holds for all fields.
    #[serde(borrow)]
    repo: Option<&'a RawValue>,
    server: Option<&'a RawValue>,
    sync_status: Option<&'a RawValue>,
    drift_count: Option<&'a RawValue>,
    files: Option<&'a RawValue>,
    last_check: Option<&'a RawValue>,
    stale_after_seconds: Option<&'a RawValue>,
    ttl_seconds: Option<&'a RawValue>,
    revision: Option<&'a RawValue>,
    url: Option<&'a RawValue>,
}

/// Returns the error for a body that is not acceptable as a whole.
fn invalid(body: &[u8]) -> ApiError {
    let detail = malformed::reason(body);
    ApiError::InvalidJson(detail.unwrap_or_else(|| "the body is no JSON object".to_owned()))
}

/// Returns the error for an object that is sound JSON, but has a field twice.
fn repeating(error: &serde_json::Error) -> ApiError {
    let message = error.to_string();
    let field = message.split('`').nth(1).unwrap_or("of an update");
    ApiError::InvalidJson(format!("the field \"{field}\" appears twice"))
}

fn required<'a>(
    value: Option<&'a RawValue>,
    field: &'static str,
) -> Result<&'a RawValue, ApiError> {
    value.ok_or(ApiError::MissingField(field))
}

/// Returns the text of a JSON string, or `None` for any other value.
pub(super) fn string(value: &RawValue) -> Option<Cow<'_, str>> {
    let inner = value.get().strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(value.get()).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// Returns the value of a JSON number that is written with digits only.
fn digits(value: &RawValue) -> Option<u64> {
    let text = value.get();
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn text_field<T>(
    value: &RawValue,
    invalid: InvalidField,
    parse: fn(&str) -> Result<T, InvalidField>,
) -> Result<T, ApiError> {
    let text = string(value).ok_or(invalid)?;
    Ok(parse(&text)?)
}

/// Whether an optional field counts as absent although it is not null.
fn is_empty(value: &RawValue) -> bool {
    value.get() == "\"\""
}

/// Reads an optional text. A wrong one is left out with a warning.
fn optional_text<T>(
    value: Option<&RawValue>,
    invalid: InvalidField,
    parse: fn(&str) -> Result<T, InvalidField>,
    warnings: &mut Vec<Warning>,
) -> Option<T> {
    let value = value.filter(|value| !is_empty(value))?;
    let parsed = string(value).ok_or(invalid).and_then(|text| parse(&text));
    parsed.map_err(|invalid| warnings.push(invalid.into())).ok()
}

fn seconds(value: Option<&RawValue>, invalid: InvalidField) -> Result<Option<u32>, ApiError> {
    let value = value.filter(|value| !is_empty(value));
    let seconds = |value| digits(value).and_then(ReporterSchedule::seconds).ok_or(invalid);
    Ok(value.map(seconds).transpose()?)
}
