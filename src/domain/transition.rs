//! A transition: one change of an entry, as the history records it.

use std::collections::BTreeSet;

use super::{
    Actor, Condition, DriftCount, Entry, Facts, FileName, GitRevision, KeyRef, RepoName, RunUrl,
    ServerName, SyncStatus, Timestamp,
};

/// The maximum number of names in a [`FileDelta`]; it only counts the rest.
pub const MAX_DELTA_NAMES: usize = 100;

/// What happened to an entry.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Event {
    /// Its first update arrived.
    First,
    /// It became `OUT_OF_SYNC`.
    Drifted,
    /// It became `SYNCED`.
    Synced,
    /// Its status stayed, but its count or its files changed.
    Changed,
    /// Its reporter fell silent.
    Stale,
    /// Its reporter reported again.
    Fresh,
    /// Its time to live ended.
    Expired,
    /// It was deleted on request.
    Deleted,
}

impl Event {
    /// Every event.
    pub const ALL: [Self; 8] = [
        Self::First,
        Self::Drifted,
        Self::Synced,
        Self::Changed,
        Self::Stale,
        Self::Fresh,
        Self::Expired,
        Self::Deleted,
    ];

    /// Parses the word of the API and of the store.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == word)
    }

    /// The word of the API and of the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Drifted => "drifted",
            Self::Synced => "synced",
            Self::Changed => "changed",
            Self::Stale => "stale",
            Self::Fresh => "fresh",
            Self::Expired => "expired",
            Self::Deleted => "deleted",
        }
    }
}

/// Files added to or removed from an entry's list: the first names, and the number of all.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FileDelta {
    /// The first [`MAX_DELTA_NAMES`] names in byte order.
    pub names: Vec<FileName>,
    /// The number of all names.
    pub count: usize,
}

impl FileDelta {
    /// Returns the distinct names that are in `list` but not in `other`.
    #[must_use]
    pub fn between(list: &[FileName], other: &[FileName]) -> Self {
        let other: BTreeSet<&FileName> = other.iter().collect();
        let mut names: Vec<&FileName> = list.iter().filter(|name| !other.contains(name)).collect();
        names.sort_unstable();
        names.dedup();
        let count = names.len();
        Self { names: names.into_iter().take(MAX_DELTA_NAMES).cloned().collect(), count }
    }
}

/// One change of an entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Transition {
    /// When it happened. For stale and expired this is the deadline, however late it is recorded.
    pub at: Timestamp,
    /// The entry's repository.
    pub repo: RepoName,
    /// The entry's server.
    pub server: ServerName,
    /// What happened.
    pub event: Event,
    /// The entry's status afterwards, or before it if the entry ended.
    pub sync_status: SyncStatus,
    /// The entry's count afterwards, or before it if the entry ended.
    pub drift_count: DriftCount,
    /// Files listed now but not before.
    pub files_added: FileDelta,
    /// Files listed before but not now.
    pub files_removed: FileDelta,
    /// The commit in the report.
    pub revision: Option<GitRevision>,
    /// The run in the report.
    pub url: Option<RunUrl>,
    /// Who asked for it, if somebody did and their name is known.
    pub by: Option<Actor>,
}

impl Transition {
    /// Makes a transition that leaves the entry's files as they are.
    #[must_use]
    pub fn of(entry: &Entry, event: Event, at: Timestamp) -> Self {
        let report = &entry.report;
        Self {
            at,
            repo: report.repo.clone(),
            server: report.server.clone(),
            event,
            sync_status: report.sync_status,
            drift_count: report.drift_count,
            files_added: FileDelta::default(),
            files_removed: FileDelta::default(),
            revision: report.revision.clone(),
            url: report.url.clone(),
            by: None,
        }
    }

    /// Makes the transition of an update, given the files listed before.
    #[must_use]
    pub fn by_update(entry: &Entry, event: Event, files_before: &[FileName]) -> Self {
        let files_added = FileDelta::between(&entry.report.files, files_before);
        let files_removed = FileDelta::between(files_before, &entry.report.files);
        Self { files_added, files_removed, ..Self::of(entry, event, entry.updated_at) }
    }

    /// Returns the entry's condition afterwards.
    #[must_use]
    pub const fn condition(&self) -> Condition {
        match (self.event, self.sync_status) {
            (Event::Expired | Event::Deleted, _) => Condition::Ended,
            (Event::Stale, _) => Condition::Stale,
            (
                Event::First | Event::Drifted | Event::Synced | Event::Changed | Event::Fresh,
                SyncStatus::Synced,
            ) => Condition::Synced,
            (
                Event::First | Event::Drifted | Event::Synced | Event::Changed | Event::Fresh,
                SyncStatus::OutOfSync,
            ) => Condition::OutOfSync,
        }
    }

    /// Returns the entry's condition afterwards as the line of a name counts it: a drifted entry is
    /// out of sync, also by its count alone and also while its reporter is silent.
    #[must_use]
    pub fn condition_in_sum(&self) -> Condition {
        match self.condition() {
            Condition::Ended => Condition::Ended,
            Condition::Synced | Condition::Stale | Condition::OutOfSync if self.is_drifted() => {
                Condition::OutOfSync
            }
            condition @ (Condition::Synced | Condition::Stale | Condition::OutOfSync) => condition,
        }
    }

    /// Estimates its size in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let names = self.files_added.names.iter().chain(&self.files_removed.names);
        let files: usize = names.map(|name| name.as_str().len() + 16).sum();
        let url = self.url.as_ref().map_or(0, |url| url.as_str().len());
        files + url + self.repo.as_str().len() + self.server.as_str().len() + 256
    }
}

/// A filter on files matches those that were added or removed; a filter on staleness matches the
/// moment at which the reporter fell silent.
impl Facts for Transition {
    fn key(&self) -> KeyRef<'_> {
        KeyRef { repo: self.repo.as_str(), server: self.server.as_str() }
    }

    fn sync_status(&self) -> SyncStatus {
        self.sync_status
    }

    fn is_drifted(&self) -> bool {
        self.sync_status.is_drift_with(self.drift_count)
    }

    fn is_stale(&self) -> bool {
        self.event == Event::Stale
    }

    fn revision(&self) -> Option<&GitRevision> {
        self.revision.as_ref()
    }

    fn files(&self) -> impl Iterator<Item = &FileName> {
        self.files_added.names.iter().chain(&self.files_removed.names)
    }
}
