//! Reports and acts as JSON: as servers take them, and as lines.

use serde::Serialize;
use serde_json::error::Error;

use super::act::Act;
use crate::domain::{Action, GitRevision, Report, ReporterSchedule, RunUrl};

/// A report as `POST /api/status` takes it.
#[derive(Serialize)]
struct Body<'a> {
    repo: &'a str,
    server: &'a str,
    sync_status: &'static str,
    drift_count: u32,
    files: Vec<File<'a>>,
    last_check: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_after_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
}

#[derive(Serialize)]
struct File<'a> {
    name: &'a str,
}

/// The pair of an entry.
#[derive(Serialize)]
struct Pair<'a> {
    repo: &'a str,
    server: &'a str,
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<Body<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remove: Option<Pair<'a>>,
}

impl<'a> From<&'a Report> for Body<'a> {
    fn from(report: &'a Report) -> Self {
        let Report {
            repo,
            server,
            sync_status,
            drift_count,
            files,
            last_check,
            schedule: ReporterSchedule { stale_after_seconds, ttl_seconds },
            revision,
            url,
        } = report;
        Self {
            repo: repo.as_str(),
            server: server.as_str(),
            sync_status: sync_status.as_str(),
            drift_count: drift_count.get(),
            files: files.iter().map(|file| File { name: file.as_str() }).collect(),
            last_check: last_check.to_string(),
            stale_after_seconds: *stale_after_seconds,
            ttl_seconds: *ttl_seconds,
            revision: revision.as_ref().map(GitRevision::as_str),
            url: url.as_ref().map(RunUrl::as_str),
        }
    }
}

/// Writes a report as the body of an update.
pub(super) fn body(report: &Report) -> Result<String, Error> {
    serde_json::to_string(&Body::from(report))
}

/// Writes an act as one line, without its end.
pub(super) fn line(act: &Act) -> Result<String, Error> {
    let (report, remove) = match &act.action {
        Action::Report(report) => (Some(Body::from(report)), None),
        Action::Remove(key) => {
            (None, Some(Pair { repo: key.repo.as_str(), server: key.server.as_str() }))
        }
    };
    serde_json::to_string(&Line { time: act.at.to_string(), report, remove })
}
