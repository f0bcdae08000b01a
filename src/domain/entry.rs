//! An entry: the latest report of one (repo, server) pair, and what this server adds to it.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use xxhash_rust::xxh3::Xxh3Default;

use super::{Event, RepoName, Report, ServerName, SyncStatus, Timestamp, Transition};

/// The latest report of one pair.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// The report.
    pub report: Report,
    /// When it was received.
    pub updated_at: Timestamp,
    /// When the current `sync_status` began, as far as this server has seen.
    pub status_since: Timestamp,
    /// Since when it has been drifted without a break, by status or by count, as far as this server
    /// has seen; [`Timestamp::NEVER`] if it is not drifted.
    pub drifted_since: Timestamp,
    /// What the history knows of the silence since then.
    pub recorded: Recorded,
}

/// What the history knows of the changes of an entry that follow from the clock.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Recorded {
    /// That the reporter fell silent.
    pub stale: bool,
    /// When the entry expired. An entry that was drifted then is kept for a while: see
    /// [`super::Standing::is_expired_drifted`].
    pub expired_at: Option<Timestamp>,
}

impl Entry {
    /// Returns the pair that names the entry.
    #[must_use]
    pub fn key(&self) -> KeyRef<'_> {
        self.report.key()
    }

    /// Whether only `last_check` and `updated_at` differ from an earlier entry of the same pair.
    #[must_use]
    pub fn differs_in_times_only(&self, before: &Self) -> bool {
        let Self { report, updated_at: _, status_since, drifted_since, recorded } = self;
        let Report {
            repo: _,
            server: _,
            sync_status,
            drift_count,
            files,
            last_check: _,
            schedule,
            revision,
            url,
        } = report;
        *status_since == before.status_since
            && *drifted_since == before.drifted_since
            && *recorded == before.recorded
            && *sync_status == before.report.sync_status
            && *drift_count == before.report.drift_count
            && *files == before.report.files
            && *schedule == before.report.schedule
            && *revision == before.report.revision
            && *url == before.report.url
    }

    /// Makes the entry of a pair's first report.
    #[must_use]
    pub fn first(report: Report, at: Timestamp) -> (Self, Vec<Transition>) {
        let drifted_since = if report.is_drifted() { at } else { Timestamp::NEVER };
        let recorded = Recorded::default();
        let entry = Self { report, updated_at: at, status_since: at, drifted_since, recorded };
        let first = Transition::by_update(&entry, Event::First, &[]);
        (entry, vec![first])
    }

    /// Makes the entry that follows this one when the next report arrives. If the report's files are
    /// not known, their absence is no change.
    #[must_use]
    pub fn updated(
        &self,
        report: Report,
        at: Timestamp,
        are_files_known: bool,
    ) -> (Self, Vec<Transition>) {
        let same_status = self.report.sync_status == report.sync_status;
        let same = if are_files_known {
            self.report.says_the_same_as(&report)
        } else {
            same_status && self.report.drift_count == report.drift_count
        };
        let files_before: &[_] = if are_files_known { &self.report.files } else { &[] };
        let status_since = if same_status { self.status_since } else { at };
        let drifted_since = match (self.report.is_drifted(), report.is_drifted()) {
            (true, true) => self.drifted_since,
            (false, true) => at,
            (_, false) => Timestamp::NEVER,
        };
        let recorded = Recorded::default();
        let next = Self { report, updated_at: at, status_since, drifted_since, recorded };
        let mut transitions = Vec::new();
        let Recorded { stale, expired_at: _ } = self.recorded;
        if stale {
            transitions.push(Transition::of(&next, Event::Fresh, at));
        }
        if !same {
            let event = match (same_status, next.report.sync_status) {
                (true, _) => Event::Changed,
                (false, SyncStatus::Synced) => Event::Synced,
                (false, SyncStatus::OutOfSync) => Event::Drifted,
            };
            transitions.push(Transition::by_update(&next, event, files_before));
        }
        (next, transitions)
    }

    /// Returns when the state that people see began: the drift if it is drifted, else its status.
    #[must_use]
    pub fn state_since(&self) -> Timestamp {
        if self.report.is_drifted() { self.drifted_since } else { self.status_since }
    }

    /// Returns a fingerprint of what answers show of the entry, without what follows from the clock.
    ///
    /// Equal content has equal fingerprints in every process of one build of this program.
    #[must_use]
    pub fn fingerprint(&self) -> u128 {
        let Self { report, updated_at, status_since, drifted_since, recorded: _ } = self;
        let Report {
            repo,
            server,
            sync_status,
            drift_count,
            files,
            last_check,
            schedule: _,
            revision,
            url,
        } = report;
        let mut hasher = Xxh3Default::new();
        (repo, server, sync_status, drift_count, files, last_check).hash(&mut hasher);
        (revision, url, updated_at, status_since, drifted_since).hash(&mut hasher);
        hasher.digest128()
    }
}

/// The pair that names an entry; ordered by repo, then server, each byte by byte.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Key {
    /// The repository.
    pub repo: RepoName,
    /// The server.
    pub server: ServerName,
}

impl Key {
    /// Borrows the pair.
    #[must_use]
    pub fn borrow(&self) -> KeyRef<'_> {
        KeyRef { repo: self.repo.as_str(), server: self.server.as_str() }
    }
}

/// A borrowed pair; ordered like [`Key`].
#[derive(Clone, Copy, Debug, Eq)]
pub struct KeyRef<'a> {
    /// The repository.
    pub repo: &'a str,
    /// The server.
    pub server: &'a str,
}

impl PartialEq for KeyRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl PartialOrd for KeyRef<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for KeyRef<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.repo.cmp(other.repo).then_with(|| self.server.cmp(other.server))
    }
}

impl Hash for KeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.repo.hash(state);
        self.server.hash(state);
    }
}
