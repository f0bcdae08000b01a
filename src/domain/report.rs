//! A report: what a job found when it compared a repository with a server, and what it may say.

use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use super::{
    FileName, GitRevision, InvalidField, Key, KeyRef, RepoName, ReportedTime, RunUrl, ServerName,
};

/// The maximum number of files in a report.
pub const MAX_FILES: usize = 10_000;

/// The longest span in a reporter's schedule: ten years, in seconds.
const MAX_SCHEDULE_SECONDS: u64 = 315_360_000;

/// Whether a server has what its repository says.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum SyncStatus {
    /// The server has what the repository says.
    Synced,
    /// The server differs from the repository.
    OutOfSync,
}

impl SyncStatus {
    /// The error for any other word.
    pub const INVALID: InvalidField =
        InvalidField { field: "sync_status", accepted: "SYNCED or OUT_OF_SYNC" };

    /// Parses the word of the API, exactly as it is spelt there.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "SYNCED" => Some(Self::Synced),
            "OUT_OF_SYNC" => Some(Self::OutOfSync),
            _ => None,
        }
    }

    /// The word of the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Synced => "SYNCED",
            Self::OutOfSync => "OUT_OF_SYNC",
        }
    }

    /// Whether this status, or the count beside it, means that the server has drifted.
    #[must_use]
    pub fn is_drift_with(self, count: DriftCount) -> bool {
        self == Self::OutOfSync || count.get() > 0
    }

    /// The number of the API: 0 synced, 1 out of sync.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Synced => 0,
            Self::OutOfSync => 1,
        }
    }
}

/// The reporter's count of files that have drifted: 0 to 2147483647.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DriftCount(u32);

impl DriftCount {
    /// The error for any other value.
    pub const INVALID: InvalidField = InvalidField {
        field: "drift_count",
        accepted: "a whole number from 0 to 2147483647 in digits only, without quotes, such as 2",
    };

    /// Checks a count.
    ///
    /// # Errors
    /// [`Self::INVALID`] above 2147483647.
    pub fn parse(count: u64) -> Result<Self, InvalidField> {
        i32::try_from(count).map(|count| Self(count.unsigned_abs())).map_err(|_| Self::INVALID)
    }

    /// Returns the number of files.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// A reporter's own deadlines, which override the server's settings.
///
/// In seconds; 0 means never; `None` means the server's setting.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct ReporterSchedule {
    /// After how many seconds of silence the entry is stale.
    pub stale_after_seconds: Option<u32>,
    /// After how many seconds of silence the entry expires.
    pub ttl_seconds: Option<u32>,
}

impl ReporterSchedule {
    /// The error for `stale_after_seconds`.
    pub const INVALID_STALE_AFTER: InvalidField = InvalidField {
        field: "stale_after_seconds",
        accepted: "a whole number from 0 to 315360000 in digits only, such as 7200",
    };
    /// The error for `ttl_seconds`.
    pub const INVALID_TTL: InvalidField = InvalidField {
        field: "ttl_seconds",
        accepted: "a whole number from 0 to 315360000 in digits only, such as 1209600",
    };

    /// Checks a number of seconds; `None` above ten years.
    #[must_use]
    pub fn seconds(value: u64) -> Option<u32> {
        u32::try_from(value).ok().filter(|_| value <= MAX_SCHEDULE_SECONDS)
    }
}

/// The names of a report's files. Copies share them; an empty list allocates nothing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FileNames(Option<Arc<[FileName]>>);

impl Deref for FileNames {
    type Target = [FileName];

    fn deref(&self) -> &[FileName] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl FromIterator<FileName> for FileNames {
    fn from_iter<I: IntoIterator<Item = FileName>>(names: I) -> Self {
        let names: Vec<FileName> = names.into_iter().collect();
        Self((!names.is_empty()).then(|| names.into()))
    }
}

impl Hash for FileNames {
    /// Hashes the names alone: fingerprints must not depend on how a list is kept.
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

/// The outcome of one comparison; every field has been validated. Copies share its texts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Report {
    /// The repository.
    pub repo: RepoName,
    /// The server.
    pub server: ServerName,
    /// Whether the server has what the repository says.
    pub sync_status: SyncStatus,
    /// The reporter's count of files that differ; may disagree with `files`.
    pub drift_count: DriftCount,
    /// The files that differ, in the order in which they were sent.
    pub files: FileNames,
    /// When the reporter compared them, by its own clock.
    pub last_check: ReportedTime,
    /// The reporter's own deadlines.
    pub schedule: ReporterSchedule,
    /// The commit that was checked.
    pub revision: Option<GitRevision>,
    /// The URL of the run.
    pub url: Option<RunUrl>,
}

impl Report {
    /// Returns the key of the report's entry.
    #[must_use]
    pub fn key(&self) -> KeyRef<'_> {
        KeyRef { repo: self.repo.as_str(), server: self.server.as_str() }
    }

    /// Returns the same key with texts that it shares.
    #[must_use]
    pub fn to_key(&self) -> Key {
        Key { repo: self.repo.clone(), server: self.server.clone() }
    }

    /// Estimates how many bytes the report takes, in memory and as a row.
    #[must_use]
    pub fn weight(&self) -> usize {
        const OVERHEAD: usize = 200;
        let optional = |text: Option<&str>| text.map_or(0, str::len);
        OVERHEAD
            + self.repo.as_str().len()
            + self.server.as_str().len()
            + self.files.iter().map(|file| file.as_str().len() + 16).sum::<usize>()
            + optional(self.revision.as_ref().map(GitRevision::as_str))
            + optional(self.url.as_ref().map(RunUrl::as_str))
    }

    /// Whether the server has drifted: out of sync, or with files that differ.
    #[must_use]
    pub fn is_drifted(&self) -> bool {
        self.sync_status.is_drift_with(self.drift_count)
    }

    /// Whether both reports say the same about the server, apart from times.
    ///
    /// The order of the files does not matter: a reporter that walks a folder may list them in any
    /// order.
    #[must_use]
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        self.sync_status == other.sync_status
            && self.drift_count == other.drift_count
            && lists_the_same(&self.files, &other.files)
    }
}

fn lists_the_same(a: &[FileName], b: &[FileName]) -> bool {
    if a == b {
        return true;
    }
    sorted(a) == sorted(b)
}

fn sorted(files: &[FileName]) -> Vec<&FileName> {
    let mut files: Vec<&FileName> = files.iter().collect();
    files.sort_unstable();
    files.dedup();
    files
}

#[cfg(test)]
impl Report {
    /// A report for tests: in sync, without a schedule.
    pub(crate) fn synced(repo: &str, server: &str) -> Self {
        Self {
            repo: RepoName::parse(repo).unwrap(),
            server: ServerName::parse(server).unwrap(),
            sync_status: SyncStatus::Synced,
            drift_count: DriftCount::parse(0).unwrap(),
            files: FileNames::default(),
            last_check: ReportedTime::parse("2026-04-21T10:32:15Z").unwrap(),
            schedule: ReporterSchedule::default(),
            revision: None,
            url: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_ends_at_the_largest_32_bit_integer() {
        assert_eq!(DriftCount::parse(2_147_483_647).unwrap().get(), 2_147_483_647);
        assert!(DriftCount::parse(2_147_483_648).is_err());
        assert!(DriftCount::parse(u64::MAX).is_err());
    }

    #[test]
    fn a_schedule_is_ten_years_at_the_most() {
        assert_eq!(ReporterSchedule::seconds(315_360_000), Some(315_360_000));
        assert_eq!(ReporterSchedule::seconds(315_360_001), None);
        assert_eq!(ReporterSchedule::seconds(u64::MAX), None);
    }

    #[test]
    fn the_order_of_files_is_not_a_change() {
        let names = |list: &[&str]| -> Vec<FileName> {
            list.iter().map(|name| FileName::parse(name).unwrap()).collect()
        };
        assert!(lists_the_same(&names(&["a", "b"]), &names(&["b", "a"])));
        assert!(lists_the_same(&names(&["a", "a"]), &names(&["a"])));
        assert!(!lists_the_same(&names(&["a"]), &names(&["a", "b"])));
    }
}
