//! The page of one entry: how it stands, its files, and what happened to it.

use askama::Template;

use super::frame::Frame;
use super::moment::Moment;
use super::row::{FileLink, Row, first_links};
use super::{PageContext, Parameters};
use crate::domain::{
    Event, FileDelta, GitRevision, HistoryPage, KeyRef, RunUrl, Standing, Timestamp, Transition,
};

/// How many files the page lists, and how many bytes of their names; the list as JSON has them all.
const FILES_SHOWN: usize = 500;
const FILE_BYTES_SHOWN: usize = 64 * 1024;
/// How many files of those that a transition names.
const CHANGES_SHOWN: usize = 20;
const CHANGE_BYTES_SHOWN: usize = 4096;

/// What is known of an entry's past.
#[derive(Clone, Debug)]
pub enum Past {
    /// Its transitions, newest first.
    Known(HistoryPage),
    /// The history cannot be read at the moment.
    Unavailable,
}

/// What the page of one entry is made of.
#[derive(Debug)]
pub struct EntryPage<'a> {
    /// The pair.
    pub key: KeyRef<'a>,
    /// The entry, if there is one.
    pub standing: Option<&'a Standing>,
    /// Its past.
    pub past: Past,
    /// Whether these are not the newest transitions.
    pub is_older: bool,
}

impl EntryPage<'_> {
    /// Whether nothing is known of the pair, now or before.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        let has_past = match &self.past {
            Past::Known(page) => !page.items.is_empty() || self.is_older,
            Past::Unavailable => false,
        };
        self.standing.is_none() && !has_past
    }

    /// Returns the page.
    ///
    /// # Errors
    /// None that is known: the text is written into memory.
    pub fn render(&self, context: &PageContext) -> askama::Result<String> {
        let KeyRef { repo, server } = self.key;
        let pair = Parameters::new([("repo", repo), ("server", server)]);
        let of_repo = Parameters::naming("repo", repo).map(|filter| filter.link("./"));
        let of_server = Parameters::naming("server", server).map(|filter| filter.link("./"));
        let (items, next) = match &self.past {
            Past::Known(page) => (page.items.as_slice(), page.next),
            Past::Unavailable => (&[][..], None),
        };
        let steps = items.iter().map(|item| Step::new(&item.transition, context.now));
        let older = next.map(|place| pair.with(&[("cursor", Some(&place.to_string()))]));
        let files = self.standing.map_or(&[][..], |standing| &standing.entry().report.files);
        let can_be_named = of_repo.is_some() && of_server.is_some();
        let as_json = || pair.with(&[("fields", Some("files"))]).link("status.json");
        let template = EntryTemplate {
            frame: Frame::live(format!("{repo} on {server} · GitOps status"), context, &pair),
            repo,
            server,
            of_repo,
            of_server,
            row: self.standing.map(|standing| Row::new(standing, context.now)),
            files: first_links(files, FILES_SHOWN, FILE_BYTES_SHOWN),
            files_in_all: files.len(),
            all_files: can_be_named.then(as_json),
            steps: steps.collect(),
            is_past_known: matches!(self.past, Past::Known(_)),
            newest: self.is_older.then(|| pair.link("entry")),
            older: older.map(|parameters| parameters.link("entry")),
            origin: &context.origin,
            api: pair.link("api/status"),
            history: pair.link("api/history"),
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
    of_repo: Option<String>,
    of_server: Option<String>,
    row: Option<Row<'a>>,
    files: Vec<FileLink<'a>>,
    files_in_all: usize,
    /// All of them, if a filter can name the entry and no other.
    all_files: Option<String>,
    steps: Vec<Step<'a>>,
    is_past_known: bool,
    newest: Option<String>,
    older: Option<String>,
    origin: &'a str,
    api: String,
    history: String,
}

/// One transition.
struct Step<'a> {
    at: Option<Moment>,
    class: &'static str,
    event: &'static str,
    meaning: &'static str,
    sync_status: &'static str,
    drift_count: u32,
    added: Delta<'a>,
    removed: Delta<'a>,
    revision: Option<&'a str>,
    url: Option<&'a str>,
}

/// Files that were added or removed: the first ones by name, and how many others.
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

impl<'a> Step<'a> {
    fn new(transition: &'a Transition, now: Timestamp) -> Self {
        let (class, meaning) = described(transition);
        Self {
            at: Moment::new(transition.at, now),
            class,
            event: transition.event.as_str(),
            meaning,
            sync_status: transition.sync_status.as_str(),
            drift_count: transition.drift_count.get(),
            added: Delta::new(&transition.files_added),
            removed: Delta::new(&transition.files_removed),
            revision: transition.revision.as_ref().map(GitRevision::as_str),
            url: transition.url.as_ref().map(RunUrl::as_str),
        }
    }
}

/// Says what an event means, and in which colour it is told.
fn described(transition: &Transition) -> (&'static str, &'static str) {
    let standing = if transition.sync_status.is_drift_with(transition.drift_count) {
        "drifted"
    } else {
        "synced"
    };
    match transition.event {
        Event::First => (standing, "first report"),
        Event::Drifted => ("drifted", "became out of sync"),
        Event::Synced => (standing, "is in sync again"),
        Event::Changed => (standing, "other files or another count"),
        Event::Stale => ("stale", "no report in time"),
        Event::Fresh => (standing, "reports again"),
        Event::Expired => ("ended", "left after its time to live"),
        Event::Deleted => ("ended", "taken out"),
    }
}
