//! The JSON of updates: how a report is read, and how it is answered.
//!
//! The API promises the order of checks: the whole document, then whether all fields are there, then
//! each field.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::document;
use super::error::ApiError;
use super::warning::Warning;
use crate::domain::{
    DriftCount, FileName, FileNames, GitRevision, InvalidField, MAX_FILES, RepoName, Report,
    ReportedTime, ReporterSchedule, RunUrl, ServerName, SyncStatus,
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
    let text = std::str::from_utf8(body).map_err(|_| ApiError::InvalidJson)?;
    if !document::is_acceptable(text) {
        return Err(ApiError::InvalidJson);
    }
    let document: Document<'_> = parse_object(text)?;
    let files = document.files.map(parse_files).transpose()?;
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
        files: file_names(files)?,
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

/// An element of `files` as it was sent.
#[derive(Deserialize)]
struct FileObject<'a> {
    #[serde(borrow)]
    name: Option<&'a RawValue>,
}

/// Reads a JSON object. A derived reader alone would also take an array of the values.
fn parse_object<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, ApiError> {
    let is_object = text.trim_ascii_start().starts_with('{');
    let object = is_object.then(|| serde_json::from_str(text).ok()).flatten();
    object.ok_or(ApiError::InvalidJson)
}

/// Splits the value of `files` into its elements.
///
/// # Errors
/// An error means that the whole document is not acceptable.
fn parse_files(value: &RawValue) -> Result<Elements<'_>, ApiError> {
    if !value.get().starts_with('[') {
        return Ok(Elements(None));
    }
    serde_json::from_str(value.get()).map_err(|_| ApiError::InvalidJson)
}

/// Reads the names of files.
fn file_names(Elements(objects): Elements<'_>) -> Result<FileNames, ApiError> {
    objects.ok_or(Report::INVALID_FILES)?.into_iter().map(file_name).collect()
}

fn file_name(object: Option<FileObject<'_>>) -> Result<FileName, ApiError> {
    let name = object.and_then(|object| object.name).ok_or(FileName::INVALID)?;
    text_field(name, FileName::INVALID, FileName::parse)
}

/// The elements of `files`, each `None` if it is no object. All are `None` if there is no array, or if
/// it is too long: elements beyond the limit are checked, but not kept, because two bytes on the wire
/// take many times that in memory.
struct Elements<'a>(Option<Vec<Option<FileObject<'a>>>>);

impl<'de> Deserialize<'de> for Elements<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Array;

        impl<'de> Visitor<'de> for Array {
            type Value = Elements<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut array: S) -> Result<Self::Value, S::Error> {
                let mut objects = Some(Vec::new());
                while let Some(element) = array.next_element::<&'de RawValue>()? {
                    let is_object = element.get().starts_with('{');
                    let object = is_object.then(|| serde_json::from_str(element.get()));
                    let object = object.transpose().map_err(S::Error::custom)?;
                    objects = objects.filter(|objects| objects.len() < MAX_FILES);
                    if let Some(objects) = &mut objects {
                        objects.push(object);
                    }
                }
                Ok(Elements(objects))
            }
        }

        from.deserialize_seq(Array)
    }
}

fn required<'a>(
    value: Option<&'a RawValue>,
    field: &'static str,
) -> Result<&'a RawValue, ApiError> {
    value.ok_or(ApiError::MissingField(field))
}

/// Returns the text of a JSON string, or `None` for any other value.
fn string(value: &RawValue) -> Option<Cow<'_, str>> {
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
