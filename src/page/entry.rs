//! The page of one entry: its state, its files and its history.

use askama::Template;

use super::context::PageContext;
use super::frame::Frame;
use super::moment::Moment;
use super::parameters::Parameters;
use super::row::{Commit, FileLink, Row, first_links};
use crate::domain::{Actor, Event, FileDelta, HistoryPage, KeyRef, RunUrl, Standing, Transition};

/// The most files that the page lists, and the most bytes of their names. The JSON list has all.
const FILES_SHOWN: usize = 500;
const FILE_BYTES_SHOWN: usize = 64 * 1024;
/// The same for the files that one transition names.
const CHANGES_SHOWN: usize = 20;
const CHANGE_BYTES_SHOWN: usize = 4096;

/// One page of an entry's history.
#[derive(Clone, Debug)]
pub enum EntryHistory {
    /// Its transitions, newest first.
    Known(HistoryPage),
    /// The history cannot be read at the moment.
    Unavailable,
}

/// The content of the page of one entry.
#[derive(Debug)]
pub struct EntryPage<'a> {
    /// The pair.
    pub key: KeyRef<'a>,
    /// The entry, if there is one, also if it expired while drifted.
    pub standing: Option<&'a Standing>,
    /// Its history.
    pub history: EntryHistory,
    /// Whether the history starts with an older transition than the newest.
    pub is_older: bool,
    /// Whether the reader may remove the entry.
    pub may_remove: bool,
}

impl EntryPage<'_> {
    /// Whether there is no entry and no history of the pair.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        let has_history = match &self.history {
            EntryHistory::Known(page) => !page.items.is_empty() || self.is_older,
            EntryHistory::Unavailable => false,
        };
        self.standing.is_none() && !has_history
    }

    /// Renders the page.
    ///
    /// # Errors
    /// None that is known: the text is written into memory.
    pub fn render(&self, context: &PageContext) -> askama::Result<String> {
        let KeyRef { repo, server } = self.key;
        let pair = Parameters::new([("repo", repo), ("server", server)]);
        let filters = Parameters::naming(pair.pairs());
        let alone = |parameter, name| Parameters::naming([(parameter, name)]).link("./");
        let (items, next) = match &self.history {
            EntryHistory::Known(page) => (page.items.as_slice(), page.next),
            EntryHistory::Unavailable => (&[][..], None),
        };
        let history = items.iter().map(|item| HistoryRow::new(&item.transition, context));
        let older = next.map(|cursor| pair.with(&[("cursor", Some(&cursor.to_string()))]));
        let listed = self.standing.filter(|standing| standing.is_listed());
        let expired = self.standing.filter(|standing| !standing.is_listed());
        let report = listed.map(|standing| &standing.entry().report);
        let files = report.map_or(&[][..], |report| &report.files);
        let revision = report.and_then(|report| report.revision.as_ref());
        let template = EntryTemplate {
            frame: Frame::live(format!("{repo} on {server} · GitOps status"), context, &filters),
            repo,
            server,
            of_repo: alone("repo", repo),
            of_server: alone("server", server),
            of_revision: revision.map(|revision| alone("revision", revision.as_str())),
            row: listed.map(|standing| Row::new(standing, context)),
            expired: expired.map(|standing| ExpiredDrifted::new(standing, context)),
            files: first_links(files, FILES_SHOWN, FILE_BYTES_SHOWN),
            files_in_all: files.len(),
            all_files: filters.with(&[("fields", Some("files"))]).link("status.json"),
            history: history.collect(),
            is_history_known: matches!(self.history, EntryHistory::Known(_)),
            newest: self.is_older.then(|| pair.link("entry")),
            older: older.map(|parameters| parameters.link("entry")),
            origin: &context.origin,
            api: pair.link("api/status"),
            may_remove: self.may_remove,
            history_as_json: filters.link("api/history"),
        };
        template.render()
    }
}

#[derive(Template)]
#[template(path = "entry.html")]
struct EntryTemplate<'a> {
    frame: Frame,
    repo: &'a str,
    server: &'a str,
    of_repo: String,
    of_server: String,
    of_revision: Option<String>,
    row: Option<Row<'a>>,
    expired: Option<ExpiredDrifted>,
    files: Vec<FileLink<'a>>,
    files_in_all: usize,
    all_files: String,
    history: Vec<HistoryRow<'a>>,
    is_history_known: bool,
    newest: Option<String>,
    older: Option<String>,
    origin: &'a str,
    api: String,
    may_remove: bool,
    history_as_json: String,
}

/// An entry that no list shows, since it expired while drifted.
struct ExpiredDrifted {
    at: Option<Moment>,
    drifted_since: Option<Moment>,
}

impl ExpiredDrifted {
    fn new(standing: &Standing, context: &PageContext) -> Self {
        let entry = standing.entry();
        let at = entry.recorded.expired_at.unwrap_or_else(|| standing.expires_at());
        Self {
            at: Moment::new(at, context.now),
            drifted_since: Moment::new(entry.state_since(), context.now),
        }
    }
}

/// One transition as a row of the history table.
struct HistoryRow<'a> {
    at: Option<Moment>,
    class: &'static str,
    event: &'static str,
    meaning: &'static str,
    sync_status: &'static str,
    drift_count: u32,
    added: Delta<'a>,
    removed: Delta<'a>,
    commit: Option<Commit<'a>>,
    url: Option<&'a str>,
    by: Option<&'a str>,
}

/// Files that were added or removed: the first ones by name, and the number of others.
struct Delta<'a> {
    names: Vec<FileLink<'a>>,
    others: usize,
}

impl<'a> Delta<'a> {
    fn new(delta: &'a FileDelta) -> Self {
        let FileDelta { names, count } = delta;
        let names = first_links(names, CHANGES_SHOWN, CHANGE_BYTES_SHOWN);
        Self { others: count.saturating_sub(names.len()), names }
    }
}

impl<'a> HistoryRow<'a> {
    fn new(transition: &'a Transition, context: &PageContext) -> Self {
        let (class, meaning) = described(transition);
        let commit = transition.revision.as_ref();
        Self {
            at: Moment::new(transition.at, context.now),
            class,
            event: transition.event.as_str(),
            meaning,
            sync_status: transition.sync_status.as_str(),
            drift_count: transition.drift_count.get(),
            added: Delta::new(&transition.files_added),
            removed: Delta::new(&transition.files_removed),
            commit: commit.map(|revision| Commit::new(&transition.repo, revision, context)),
            url: transition.url.as_ref().map(RunUrl::as_str),
            by: transition.by.as_ref().map(Actor::as_str),
        }
    }
}

/// Returns the style class of an event and its meaning in words.
fn described(transition: &Transition) -> (&'static str, &'static str) {
    let status = if transition.sync_status.is_drift_with(transition.drift_count) {
        "drifted"
    } else {
        "synced"
    };
    match transition.event {
        Event::First => (status, "first report"),
        Event::Drifted => ("drifted", "became out of sync"),
        Event::Synced => (status, "is in sync again"),
        Event::Changed => (status, "other files or another count"),
        Event::Stale => ("stale", "no report in time"),
        Event::Fresh => (status, "reports again"),
        Event::Expired => ("ended", "left after its time to live"),
        Event::Deleted => ("ended", "removed"),
    }
}
