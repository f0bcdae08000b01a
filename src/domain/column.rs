//! Columns: what answers can show of an entry and sort by, each with its name in the API.

use std::cmp::Ordering;

use super::{Entry, FileName, Standing, Timestamp};

/// One property of an entry.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Column {
    /// The repository.
    Repo,
    /// The server.
    Server,
    /// `SYNCED` or `OUT_OF_SYNC`.
    SyncStatus,
    /// The status as a number.
    StatusCode,
    /// The reporter's count of files that differ.
    DriftCount,
    /// The number of files listed.
    FileCount,
    /// The files listed.
    Files,
    /// When the reporter compared them.
    LastCheck,
    /// When the report was received.
    UpdatedAt,
    /// When the current status began.
    StatusSince,
    /// Whether the reporter has fallen silent.
    Stale,
    /// When the entry expires.
    ExpiresAt,
    /// The commit that was checked.
    Revision,
    /// The run that made the check.
    Url,
    /// Since when the entry is drifted.
    DriftedSince,
}

impl Column {
    /// The name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Repo => "repo",
            Self::Server => "server",
            Self::SyncStatus => "sync_status",
            Self::StatusCode => "status_code",
            Self::DriftCount => "drift_count",
            Self::FileCount => "file_count",
            Self::Files => "files",
            Self::LastCheck => "last_check",
            Self::UpdatedAt => "updated_at",
            Self::StatusSince => "status_since",
            Self::Stale => "stale",
            Self::ExpiresAt => "expires_at",
            Self::Revision => "revision",
            Self::Url => "url",
            Self::DriftedSince => "drifted_since",
        }
    }

    /// Whether an entry has no value in this column.
    #[must_use]
    pub fn is_absent(self, standing: &Standing) -> bool {
        let entry = standing.entry();
        match self {
            Self::ExpiresAt => standing.expires_at() == Timestamp::NEVER,
            Self::Revision => entry.report.revision.is_none(),
            Self::Url => entry.report.url.is_none(),
            Self::DriftedSince => entry.drifted_since == Timestamp::NEVER,
            Self::Repo
            | Self::Server
            | Self::SyncStatus
            | Self::StatusCode
            | Self::DriftCount
            | Self::FileCount
            | Self::Files
            | Self::LastCheck
            | Self::UpdatedAt
            | Self::StatusSince
            | Self::Stale => false,
        }
    }

    /// Compares two entries by their values in this column.
    ///
    /// Texts compare byte by byte, times as instants, `false` before `true`.
    #[must_use]
    pub fn compare(self, left: &Standing, right: &Standing) -> Ordering {
        let (x, y): (&Entry, &Entry) = (left.entry(), right.entry());
        let (a, b) = (&x.report, &y.report);
        match self {
            Self::Repo => a.repo.cmp(&b.repo),
            Self::Server => a.server.cmp(&b.server),
            Self::SyncStatus => a.sync_status.as_str().cmp(b.sync_status.as_str()),
            Self::StatusCode => a.sync_status.code().cmp(&b.sync_status.code()),
            Self::DriftCount => a.drift_count.cmp(&b.drift_count),
            Self::FileCount => a.files.len().cmp(&b.files.len()),
            Self::Files => compare_joined(&a.files, &b.files),
            Self::LastCheck => a.last_check.instant().cmp(&b.last_check.instant()),
            Self::UpdatedAt => x.updated_at.cmp(&y.updated_at),
            Self::StatusSince => x.status_since.cmp(&y.status_since),
            Self::Stale => left.is_stale().cmp(&right.is_stale()),
            Self::ExpiresAt => left.expires_at().cmp(&right.expires_at()),
            Self::Revision => a.revision.cmp(&b.revision),
            Self::Url => a.url.cmp(&b.url),
            Self::DriftedSince => x.drifted_since.cmp(&y.drifted_since),
        }
    }

    /// Returns file names as one text, joined by `, `.
    #[must_use]
    pub fn joined_files(files: &[FileName]) -> String {
        let mut joined = String::new();
        for (position, file) in files.iter().enumerate() {
            if position > 0 {
                joined.push_str(", ");
            }
            joined.push_str(file.as_str());
        }
        joined
    }
}

/// Compares lists of file names as their [`Column::joined_files`] compare, without joining them.
fn compare_joined(a: &[FileName], b: &[FileName]) -> Ordering {
    // No name is empty, so lists that begin alike have texts that begin alike.
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    joined_bytes(a.iter().skip(same)).cmp(joined_bytes(b.iter().skip(same)))
}

fn joined_bytes<'a>(files: impl Iterator<Item = &'a FileName>) -> impl Iterator<Item = u8> {
    let names = files.map(FileName::as_str).enumerate();
    names.flat_map(|(place, name)| [if place > 0 { ", " } else { "" }, name]).flat_map(str::bytes)
}
