//! The size of an entry as a row of the plain list, `/status.json`, in bytes.
//!
//! The limit on what is stored counts these bytes, since users can see and count them too. This
//! knows only how long values become in JSON; tests compare it with rendered rows.

use super::{FileName, GitRevision, Report, RunUrl, Standing, Timestamp};

/// A row without its values.
const FRAME: &str = concat!(
    r#"{"repo":,"server":,"sync_status":,"drift_count":,"files":,"last_check":,"#,
    r#""updated_at":,"status_since":,"stale":,"expires_at":,"revision":,"url":,"#,
    r#""drifted_since":}"#,
);
/// A [`Timestamp`] in quotes.
const MOMENT: usize = "'2026-04-21T10:32:16.042Z'".len();
const NULL: usize = "null".len();

impl Report {
    /// Returns the size of the row that follows from the report, with the two timestamps that every
    /// entry has and the one that a drifted entry has; at most 4 GiB.
    pub(super) fn row_bytes(&self) -> u32 {
        let Self { repo, server, sync_status, drift_count, last_check, .. } = self;
        let bytes = FRAME.len()
            + text(repo.as_str())
            + text(server.as_str())
            + text(sync_status.as_str())
            + 1
            + drift_count.get().checked_ilog10().unwrap_or(0) as usize
            + 2
            + last_check.rfc3339().as_bytes().len()
            + 2 * MOMENT
            + if self.is_drifted() { MOMENT } else { NULL }
            + self.extras_bytes();
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }

    /// Returns the size of the values that can be long: files, revision and URL.
    pub(super) fn extras_bytes(&self) -> usize {
        files(&self.files)
            + self.revision.as_ref().map(GitRevision::as_str).map_or(NULL, text)
            + self.url.as_ref().map(RunUrl::as_str).map_or(NULL, text)
    }
}

impl Standing {
    /// Returns the size of the entry's row in the plain list, without a comma. An entry that is kept
    /// only because it expired while drifted will never be in the list again.
    #[must_use]
    pub fn row_bytes(&self) -> u64 {
        if self.is_expired_drifted() {
            return 0;
        }
        let stale = if self.is_stale() { "true" } else { "false" };
        let expires = if self.expires_at() == Timestamp::NEVER { NULL } else { MOMENT };
        u64::from(self.report_bytes()) + (stale.len() + expires) as u64
    }
}

/// `[{"name":"a"},{"name":"b"}]`
fn files(files: &[FileName]) -> usize {
    let names = files.iter().map(|file| r#"{"name":},"#.len() + text(file.as_str()));
    "[]".len() + names.sum::<usize>().saturating_sub(1)
}

/// A text in quotes. JSON escapes control characters as well, but no text has any.
fn text(text: &str) -> usize {
    let escaped = text.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count();
    2 + text.len() + escaped
}
