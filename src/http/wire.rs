//! The JSON of the API: what a report looks like on the wire, and how it becomes a [`Report`].
//!
//! The checks come in the order that the API promises: the whole document first, then whether all
//! fields are there, then each field.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::document;
use super::error::ApiError;
use super::warning::Warning;
use crate::domain::{
    DriftCount, FileName, GitRevision, InvalidField, MAX_FILES, RepoName, Report, ReportedTime,
    ReporterSchedule, RunUrl, ServerName, SyncStatus,
};
use crate::render::RenderError;

/// The answer to an accepted update.
pub(super) const UPDATED: &str = r#"{"status":"ok","message":"Status updated successfully"}"#;
/// The answer to a removal.
pub(super) const REMOVED: &str = r#"{"status":"ok","message":"Status removed"}"#;

/// Returns the answer to an update that was accepted with warnings.
pub(super) fn updated_with(warnings: &[Warning]) -> Result<String, RenderError> {
    let warnings: Vec<String> = warnings.iter().map(Warning::to_string).collect();
    let mut answer = UPDATED.trim_end_matches('}').to_owned();
    answer.push_str(",\"warnings\":");
    answer.push_str(&serde_json::to_string(&warnings)?);
    answer.push('}');
    Ok(answer)
}

/// Reads a report, and what is wrong with those of its fields that it can do without.
///
/// # Errors
/// The first check that fails.
pub(super) fn parse_report(body: &[u8]) -> Result<(Report, Vec<Warning>), ApiError> {
    let text = std::str::from_utf8(body).map_err(|_| ApiError::InvalidJson)?;
    if !document::is_acceptable(text) {
        return Err(ApiError::InvalidJson);
    }
    let document: Document<'_> = serde_json::from_str(text).map_err(|_| ApiError::InvalidJson)?;
    let files = document.files.map(Files::read).transpose()?;
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
        files: files.parse()?,
        last_check: text_field(last_check, ReportedTime::INVALID, ReportedTime::parse)?,
        schedule: ReporterSchedule {
            stale_after_seconds: seconds(
                document.stale_after_seconds,
                ReporterSchedule::INVALID_STALE_AFTER,
            )?,
            ttl_seconds: seconds(document.ttl_seconds, ReporterSchedule::INVALID_TTL)?,
        },
        revision: dispensable(
            document.revision,
            GitRevision::INVALID,
            GitRevision::parse,
            &mut warnings,
        ),
        url: dispensable(document.url, RunUrl::INVALID, RunUrl::parse, &mut warnings),
    };
    Ok((report, warnings))
}

/// Declares the known fields of a JSON object: their values are kept as they were sent, null
/// counts as not there, a repeated one fails, and all others are skipped.
macro_rules! known_fields {
    ($(#[$doc:meta])* $name:ident { $($field:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Default)]
        struct $name<'a> {
            $($field: Option<&'a RawValue>,)+
        }

        impl<'de> Deserialize<'de> for $name<'de> {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Fields;

                impl<'de> Visitor<'de> for Fields {
                    type Value = $name<'de>;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<M: MapAccess<'de>>(
                        self,
                        mut map: M,
                    ) -> Result<Self::Value, M::Error> {
                        #[derive(Default)]
                        struct Seen { $($field: bool,)+ }
                        let mut seen = Seen::default();
                        let mut found = $name::default();
                        while let Some(FieldName(name)) = map.next_key()? {
                            match name.as_ref() {
                                $(stringify!($field) => {
                                    if std::mem::replace(&mut seen.$field, true) {
                                        return Err(M::Error::duplicate_field(
                                            stringify!($field),
                                        ));
                                    }
                                    found.$field = present(map.next_value()?);
                                })+
                                _ => {
                                    map.next_value::<IgnoredAny>()?;
                                }
                            }
                        }
                        Ok(found)
                    }
                }

                from.deserialize_map(Fields)
            }
        }
    };
}

known_fields!(
    /// A report as it was sent, not looked into yet.
    Document {
        repo,
        server,
        sync_status,
        drift_count,
        files,
        last_check,
        stale_after_seconds,
        ttl_seconds,
        revision,
        url,
    }
);

known_fields!(
    /// An element of `files` as it was sent.
    FileObject { name }
);

/// The name of a field, borrowed unless it is spelt with escapes.
#[derive(Deserialize)]
struct FieldName<'a>(#[serde(borrow)] Cow<'a, str>);

/// The value of `files`, split as far as the check of the whole document needs it.
enum Files<'a> {
    NoArray,
    Array(Elements<'a>),
}

impl<'a> Files<'a> {
    /// Looks into `files`. An error means that the document itself is not acceptable.
    fn read(value: &'a RawValue) -> Result<Self, ApiError> {
        if value.get().starts_with('[') {
            parse_raw(value).map(Self::Array)
        } else {
            Ok(Self::NoArray)
        }
    }

    fn parse(self) -> Result<Box<[FileName]>, ApiError> {
        match self {
            Self::Array(Elements { objects, are_all: true }) => {
                objects.into_iter().map(parse_file).collect()
            }
            Self::Array(_) | Self::NoArray => Err(Report::INVALID_FILES.into()),
        }
    }
}

/// The elements of `files`; `None` is one that is no object.
struct Elements<'a> {
    objects: Vec<Option<FileObject<'a>>>,
    /// Whether there are no more than may be listed. Those beyond are checked, but not kept: an
    /// element can be as short as two bytes, and takes many times that once it is taken apart.
    are_all: bool,
}

impl<'de> Deserialize<'de> for Elements<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Array;

        impl<'de> Visitor<'de> for Array {
            type Value = Elements<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut array: S) -> Result<Self::Value, S::Error> {
                let mut elements = Elements { objects: Vec::new(), are_all: true };
                while let Some(element) = array.next_element::<&'de RawValue>()? {
                    let is_object = element.get().starts_with('{');
                    let object = is_object.then(|| serde_json::from_str(element.get()));
                    let object = object.transpose().map_err(S::Error::custom)?;
                    if elements.objects.len() < MAX_FILES {
                        elements.objects.push(object);
                    } else {
                        elements.are_all = false;
                    }
                }
                Ok(elements)
            }
        }

        from.deserialize_seq(Array)
    }
}

fn parse_file(object: Option<FileObject<'_>>) -> Result<FileName, ApiError> {
    let name = object.and_then(|object| object.name).ok_or(FileName::INVALID)?;
    text_field(name, FileName::INVALID, FileName::parse)
}

fn parse_raw<'a, T: Deserialize<'a>>(value: &'a RawValue) -> Result<T, ApiError> {
    serde_json::from_str(value.get()).map_err(|_| ApiError::InvalidJson)
}

fn present(value: &RawValue) -> Option<&RawValue> {
    Some(value).filter(|value| value.get() != "null")
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

/// Returns the value of a JSON number that is written in digits alone.
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

/// Whether an optional field counts as absent: an empty string does, like null.
fn is_empty(value: &RawValue) -> bool {
    value.get() == "\"\""
}

/// Reads a text that must not cost the report if it is wrong.
fn dispensable<T>(
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
