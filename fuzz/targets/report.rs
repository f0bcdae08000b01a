//! The body of an update.

use gitops_status_server::domain::{GitRevision, Report, ReporterSchedule, RunUrl};
use gitops_status_server::http::fuzzing;
use serde_json::json;
use serde_json::value::RawValue;

use crate::refusal::{is_one_line, is_understandable};

/// A report that is accepted means the same however it is written, and a refused one has a fault.
pub fn report(input: &[u8]) {
    let names = fuzzing::sent_names(input);
    assert!(!names.contains(char::is_control), "{names:?}");
    match fuzzing::report(input) {
        Ok((report, warnings)) => {
            warnings.iter().for_each(|warning| is_one_line(warning));
            assert_eq!(fuzzing::fault(input), None, "it was accepted");
            let written = written(&report);
            assert_eq!(fuzzing::report(&written), Ok((report.clone(), Vec::new())));
            let marked = [b"\xef\xbb\xbf", written.as_slice()].concat();
            assert_eq!(fuzzing::report(&marked), Ok((report, Vec::new())));
        }
        Err(refusal) => {
            is_understandable(&refusal);
            let is_json = refusal.message != "Invalid JSON payload";
            assert_eq!(is_json, refusal.detail.is_none());
            let json = input.strip_prefix(b"\xef\xbb\xbf").unwrap_or(input);
            let parsed = serde_json::from_slice::<&RawValue>(json);
            let is_object = parsed.is_ok_and(|value| value.get().starts_with('{'));
            assert!(!is_json || is_object, "{refusal:?}");
            // Beyond the syntax, a document may only be refused for what it has twice.
            let fault = fuzzing::fault(input);
            assert!(!is_json || fault.is_none(), "{fault:?}");
            let detail = refusal.detail.as_deref().unwrap_or_default();
            assert!(is_json || fault.is_some() || detail.ends_with("twice"), "{refusal:?}");
        }
    }
}

/// Writes a report as reporters do.
fn written(report: &Report) -> Vec<u8> {
    let ReporterSchedule { stale_after_seconds, ttl_seconds } = report.schedule;
    let files = report.files.iter().map(|file| json!({ "name": file.as_str() }));
    let body = json!({
        "repo": report.repo.as_str(),
        "server": report.server.as_str(),
        "sync_status": report.sync_status.as_str(),
        "drift_count": report.drift_count.get(),
        "files": files.collect::<Vec<_>>(),
        "last_check": report.last_check.to_string(),
        "stale_after_seconds": stale_after_seconds,
        "ttl_seconds": ttl_seconds,
        "revision": report.revision.as_ref().map(GitRevision::as_str),
        "url": report.url.as_ref().map(RunUrl::as_str),
    });
    body.to_string().into_bytes()
}
