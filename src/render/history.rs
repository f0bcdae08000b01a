//! The history as JSON.

use serde::Serialize;

use super::RenderError;
use super::pieces::{Array, Pieces};
use crate::domain::{
    Actor, Column, FileDelta, FileName, GitRevision, HistoryItem, HistoryPage, RunUrl, Transition,
};

/// A transition. New fields are only added at the end.
#[derive(Serialize)]
struct Item<'a> {
    time: String,
    repo: &'a str,
    server: &'a str,
    event: &'static str,
    sync_status: &'static str,
    status_code: u8,
    drift_count: u32,
    files_added: Files<'a>,
    files_added_count: usize,
    files_removed: Files<'a>,
    files_removed_count: usize,
    revision: Option<&'a str>,
    url: Option<&'a str>,
    /// The sender, once senders have names.
    by: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Files<'a> {
    Nested(Vec<File<'a>>),
    Joined(String),
}

#[derive(Serialize)]
struct File<'a> {
    name: &'a str,
}

/// Returns a page of the history as a JSON object with flat or nested rows.
#[must_use]
pub fn history(page: HistoryPage, flat: bool) -> impl Pieces {
    let HistoryPage { items, next } = page;
    // A cursor contains nothing that has to be escaped.
    let next = next.map_or("null".to_owned(), |cursor| format!("\"{cursor}\""));
    let write = move |out: &mut Vec<u8>, item: HistoryItem| {
        serde_json::to_writer(out, &row(&item.transition, flat)).map_err(RenderError::from)
    };
    Array::within("{\"items\":[", items, write, format!("],\"next\":{next}}}"))
}

fn row(transition: &Transition, flat: bool) -> Item<'_> {
    let Transition {
        at,
        repo,
        server,
        event,
        sync_status,
        drift_count,
        files_added,
        files_removed,
        revision,
        url,
        by,
    } = transition;
    Item {
        time: at.to_string(),
        repo: repo.as_str(),
        server: server.as_str(),
        event: event.as_str(),
        sync_status: sync_status.as_str(),
        status_code: sync_status.code(),
        drift_count: drift_count.get(),
        files_added: files(files_added, flat),
        files_added_count: files_added.count,
        files_removed: files(files_removed, flat),
        files_removed_count: files_removed.count,
        revision: revision.as_ref().map(GitRevision::as_str),
        url: url.as_ref().map(RunUrl::as_str),
        by: by.as_ref().map(Actor::as_str),
    }
}

fn files(delta: &FileDelta, flat: bool) -> Files<'_> {
    if flat {
        return Files::Joined(Column::joined_files(&delta.names));
    }
    Files::Nested(delta.names.iter().map(FileName::as_str).map(|name| File { name }).collect())
}
