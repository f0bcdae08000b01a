//! One entry as a row of a table.

use super::Parameters;
use super::moment::Moment;
use crate::domain::{FileName, RunUrl, Standing, SyncStatus, Timestamp};

/// How many files a row shows at once.
const FILES_SHOWN: usize = 3;
/// How many it has at hand, with those that are shown on demand; the entry's own page has more.
const FILES_AT_HAND: usize = 50;
/// How many bytes of their names.
const FILE_BYTES_AT_HAND: usize = 4096;
/// How many characters of a commit's name tell it from others.
const SHORT_REVISION: usize = 10;

/// A file's name and the page about it.
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

/// Returns links of the first files: this many at the most, and this many bytes of names, but for
/// the last one. A page of thousands of names, or of long ones, has to stay a page.
pub(super) fn first_links(files: &[FileName], most: usize, most_bytes: usize) -> Vec<FileLink<'_>> {
    let mut bytes = 0;
    let first = files.iter().take(most).take_while(|name| {
        let has_room = bytes < most_bytes;
        bytes += name.as_str().len();
        has_room
    });
    first.map(FileLink::new).collect()
}

/// How an entry stands, in words: drift and silence apart.
pub(super) struct StateLabel {
    /// Whether it has drifted, stale or not.
    pub(super) is_drifted: bool,
    /// Whether its reporter has fallen silent.
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

/// A commit that was checked.
pub(super) struct Commit<'a> {
    pub(super) whole: &'a str,
    pub(super) short: String,
}

/// Everything a row shows of an entry.
pub(super) struct Row<'a> {
    pub(super) repo: &'a str,
    pub(super) server: &'a str,
    /// What tells the row from all others.
    pub(super) key: String,
    /// The entries of the repository, if a filter can name it and no other.
    pub(super) of_repo: Option<String>,
    pub(super) details: String,
    pub(super) state: StateLabel,
    pub(super) drift_count: u32,
    pub(super) files: Vec<FileLink<'a>>,
    pub(super) more_files: Vec<FileLink<'a>>,
    /// How many files are on the entry's own page only.
    pub(super) files_left: usize,
    pub(super) since: Option<Moment>,
    pub(super) last_check: Moment,
    pub(super) updated_at: Option<Moment>,
    pub(super) expires_at: Option<Moment>,
    pub(super) commit: Option<Commit<'a>>,
    pub(super) url: Option<&'a str>,
}

impl<'a> Row<'a> {
    pub(super) fn new(standing: &'a Standing, now: Timestamp) -> Self {
        let entry = standing.entry();
        let report = &entry.report;
        let (repo, server) = (report.repo.as_str(), report.server.as_str());
        let pair = Parameters::new([("repo", repo), ("server", server)]);
        let mut files = first_links(&report.files, FILES_AT_HAND, FILE_BYTES_AT_HAND);
        let files_left = report.files.len() - files.len();
        let more_files = files.split_off(files.len().min(FILES_SHOWN));
        Self {
            repo,
            server,
            key: pair.to_string(),
            of_repo: Parameters::naming("repo", repo).map(|filter| filter.link("./")),
            details: pair.link("entry"),
            state: StateLabel::of(standing),
            drift_count: report.drift_count.get(),
            files,
            more_files,
            files_left,
            since: Moment::new(entry.status_since, now),
            last_check: Moment::reported(report.last_check, now),
            updated_at: Moment::new(entry.updated_at, now),
            expires_at: Moment::new(standing.expires_at(), now),
            commit: report.revision.as_ref().map(|revision| Commit {
                whole: revision.as_str(),
                short: revision.as_str().chars().take(SHORT_REVISION).collect(),
            }),
            url: report.url.as_ref().map(RunUrl::as_str),
        }
    }
}
