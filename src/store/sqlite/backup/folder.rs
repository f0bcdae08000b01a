//! A folder of copies. The name of each has the time at which it was made, so names sort by time.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::domain::{ReportedTime, Timestamp};
use crate::store::sqlite::create;
use crate::store::sqlite::file::beside;
use crate::store::sqlite::inspect::Rejected;
use crate::store::sqlite::store::SqliteStore;
use crate::store::{KeptBackup, OpenError};

const PREFIX: &str = "gitops-status-";
const END: &str = ".db";
/// What the name of a draft has behind it.
const UNFINISHED: &str = ".unfinished";

/// Creates a folder that only the user of this program can read, unless there is one.
pub(super) fn create_folder(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        done => done,
    }
}

/// Returns the name of a copy that is made at a moment. It sorts behind all others, also after the
/// clock was set back: copies are removed in the order of their names.
pub(super) fn name(at: Timestamp, newest: Option<Timestamp>) -> (String, Timestamp) {
    let second = |moment: Timestamp| moment.millis().div_euclid(1000);
    let after = newest.map_or(i64::MIN, |newest| second(newest).saturating_add(1));
    let seconds = second(at).max(after);
    let at = Timestamp::from_millis(seconds.saturating_mul(1000));
    (format!("{PREFIX}{}{END}", at.for_names()), at)
}

/// Returns the path of the draft of a copy that goes to a path.
pub(super) fn draft_of(path: &Path) -> PathBuf {
    beside(path, UNFINISHED)
}

/// Returns the copies in a folder, the oldest first.
pub(super) fn list(folder: &Path) -> io::Result<Vec<(KeptBackup, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Some(at) = entry.file_name().to_str().and_then(time) else { continue };
        let metadata = entry.metadata()?;
        if metadata.is_file() {
            found.push((KeptBackup { at, bytes: metadata.len() }, entry.path()));
        }
    }
    found.sort_unstable_by(|one, other| one.1.cmp(&other.1));
    Ok(found)
}

impl SqliteStore {
    /// Returns the paths of the backups in a folder, the oldest first; at least one.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn backups_in(folder: &Path) -> Result<Vec<PathBuf>, OpenError> {
        let found = list(folder).map_err(|error| Rejected::from(error).at(folder))?;
        if found.is_empty() {
            let reason = "there is no backup in this folder";
            return Err(Rejected::Unreadable(reason.into()).at(folder));
        }
        Ok(found.into_iter().map(|(_, path)| path).collect())
    }
}

/// Returns the newest copy in a folder, if there is one.
pub(super) fn newest(folder: &Path) -> io::Result<Option<KeptBackup>> {
    match list(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => Ok(found?.last().map(|(newest, _)| *newest)),
    }
}

/// Removes all but the newest copies.
pub(super) fn prune(folder: &Path, keep: usize) -> io::Result<()> {
    let found = list(folder)?;
    let surplus = found.len().saturating_sub(keep.max(1));
    found.iter().take(surplus).try_for_each(|(_, path)| create::remove_if_there(path))
}

/// Removes the drafts that a kill has left.
pub(super) fn remove_drafts(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_draft = name.to_str().is_some_and(|name| {
            name.split_once(UNFINISHED).is_some_and(|(name, _)| time(name).is_some())
        });
        if is_draft {
            create::remove_if_there(&entry.path())?;
        }
    }
    Ok(())
}

/// Returns the time in the name of a copy.
fn time(name: &str) -> Option<Timestamp> {
    let text = name.strip_prefix(PREFIX)?.strip_suffix(END)?.strip_suffix('Z')?;
    let (date, clock) = text.split_once('T')?;
    if !text.is_ascii() || date.len() != 8 || clock.len() != 6 {
        return None;
    }
    let ([year, month, day], [hour, minute, second]) =
        ([&date[..4], &date[4..6], &date[6..]], [&clock[..2], &clock[2..4], &clock[4..]]);
    let text = format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z");
    ReportedTime::parse(&text).map(ReportedTime::to_the_millisecond).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_name_of_a_copy_sorts_behind_all_others_also_after_the_clock_was_set_back() {
        let at = Timestamp::from_millis(1_776_767_535_120);
        let (first, when) = name(at, None);
        assert_eq!(first, "gitops-status-20260421T103215Z.db");
        assert_eq!(time(&first), Some(when));
        let (second, when) = name(at.minus(Duration::from_hours(48)), Some(when));
        assert_eq!(second, "gitops-status-20260421T103216Z.db");
        assert_eq!(time(&second), Some(when));
        for other in [
            "status.db",
            "gitops-status-.db",
            "gitops-status-20260421T103215Z.db.unfinished",
            "gitops-status-20261321T103215Z.db",
            "gitops-status-2026042éT10321Z.db",
        ] {
            assert_eq!(time(other), None, "{other}");
        }
    }
}
