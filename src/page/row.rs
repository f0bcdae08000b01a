//! One entry as a row of a table.

use std::time::Duration;

use super::context::PageContext;
use super::moment::{Moment, span_between};
use super::parameters::Parameters;
use crate::domain::{FileName, GitRevision, RepoName, RunUrl, Standing, SyncStatus};

/// The files that a row shows at once.
const FILES_SHOWN: usize = 3;
/// The files that a row contains, including those shown on demand. The entry's own page has more.
const FILES_AT_HAND: usize = 50;
/// The most bytes of their names.
const FILE_BYTES_AT_HAND: usize = 4096;
/// The characters of a commit's name that tell it from others.
const SHORT_REVISION: usize = 10;

/// A file's name and a link to its page.
pub(super) struct FileLink<'a> {
    pub(super) name: &'a str,
    pub(super) link: String,
}

impl<'a> FileLink<'a> {
    fn new(name: &'a FileName) -> Self {
        let name = name.as_str();
        Self { name, link: Parameters::new([("name", name)]).link("file") }
    }
}

/// Returns links to the first files: at most `most`, and no more once their names have `most_bytes`
/// bytes. This bounds the size of a page, whether there are many names or long ones.
pub(super) fn first_links(files: &[FileName], most: usize, most_bytes: usize) -> Vec<FileLink<'_>> {
    let mut bytes = 0;
    let first = files.iter().take(most).take_while(|name| {
        let has_room = bytes < most_bytes;
        bytes += name.as_str().len();
        has_room
    });
    first.map(FileLink::new).collect()
}

/// The state of an entry, with drift and silence apart.
pub(super) struct StateLabel {
    /// Whether it has drifted, stale or not.
    pub(super) is_drifted: bool,
    /// Whether its reporter is silent.
    pub(super) is_stale: bool,
    /// Whether the reporter says `SYNCED` although it counts files that differ.
    pub(super) is_drifted_by_count: bool,
}

impl StateLabel {
    pub(super) fn of(standing: &Standing) -> Self {
        let report = &standing.entry().report;
        let is_drifted = report.is_drifted();
        Self {
            is_drifted,
            is_stale: standing.is_stale(),
            is_drifted_by_count: is_drifted && report.sync_status == SyncStatus::Synced,
        }
    }
}

/// The commit that was checked.
pub(super) struct Commit<'a> {
    pub(super) whole: &'a str,
    pub(super) short: String,
    /// A link to its page, if it has one.
    pub(super) link: Option<String>,
}

impl<'a> Commit<'a> {
    pub(super) fn new(repo: &RepoName, revision: &'a GitRevision, context: &PageContext) -> Self {
        let whole = revision.as_str();
        Self {
            whole,
            short: whole.chars().take(SHORT_REVISION).collect(),
            link: context.commits.as_ref().and_then(|links| links.link(repo.as_str(), whole)),
        }
    }
}

/// Everything a row shows of an entry.
pub(super) struct Row<'a> {
    pub(super) repo: &'a str,
    pub(super) server: &'a str,
    /// The identity of the row, for the page's script.
    pub(super) key: String,
    /// A link to the repository's entries.
    pub(super) of_repo: String,
    pub(super) details: String,
    pub(super) state: StateLabel,
    pub(super) drift_count: u32,
    pub(super) files: Vec<FileLink<'a>>,
    pub(super) more_files: Vec<FileLink<'a>>,
    /// The number of files that only the entry's own page shows.
    pub(super) files_left: usize,
    pub(super) since: Option<Moment>,
    /// See [`was_in_sync_for`].
    pub(super) was_in_sync_for: Option<String>,
    pub(super) last_check: Moment,
    pub(super) updated_at: Option<Moment>,
    pub(super) expires_at: Option<Moment>,
    pub(super) commit: Option<Commit<'a>>,
    pub(super) url: Option<&'a str>,
}

impl<'a> Row<'a> {
    pub(super) fn new(standing: &'a Standing, context: &PageContext) -> Self {
        let now = context.now;
        let entry = standing.entry();
        let report = &entry.report;
        let commit = report.revision.as_ref();
        let (repo, server) = (report.repo.as_str(), report.server.as_str());
        let pair = Parameters::new([("repo", repo), ("server", server)]);
        let mut files = first_links(&report.files, FILES_AT_HAND, FILE_BYTES_AT_HAND);
        let files_left = report.files.len() - files.len();
        let more_files = files.split_off(files.len().min(FILES_SHOWN));
        Self {
            repo,
            server,
            key: pair.to_string(),
            of_repo: Parameters::naming([("repo", repo)]).link("./"),
            details: pair.link("entry"),
            state: StateLabel::of(standing),
            drift_count: report.drift_count.get(),
            files,
            more_files,
            files_left,
            since: Moment::new(entry.state_since(), now),
            was_in_sync_for: was_in_sync_for(standing),
            last_check: Moment::reported(report.last_check, now),
            updated_at: Moment::new(entry.updated_at, now),
            expires_at: Moment::new(standing.expires_at(), now),
            commit: commit.map(|revision| Commit::new(&report.repo, revision, context)),
            url: report.url.as_ref().map(RunUrl::as_str),
        }
    }
}

/// Returns for how long a silent entry had been in sync when its reporter was last heard; `None` if
/// for less than a second, as after a single report.
fn was_in_sync_for(standing: &Standing) -> Option<String> {
    let entry = standing.entry();
    let (since, until) = (entry.state_since(), entry.updated_at);
    let is_told = standing.is_stale() && until >= since.plus(Duration::from_secs(1));
    is_told.then(|| span_between(since, until))
}
