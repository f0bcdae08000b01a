//! A folder of copies. The name of each has the time at which it was made, so names sort by time, and
//! the beginning of the identity of the database that it was made of.

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
/// How many characters names have of the identity of a database.
const LENGTH_OF_IDENTITY: usize = 8;
/// Of how many other databases the newest copy is kept.
const OTHERS_KEPT: usize = 3;
/// What the name of a draft has behind it.
const UNFINISHED: &str = ".unfinished";

/// Creates a folder that only the user of this program can read, unless there is one.
pub(super) fn create_folder(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        done => done,
    }
}

/// One copy in a folder.
#[derive(Debug)]
pub(super) struct Copy {
    pub(super) backup: KeptBackup,
    path: PathBuf,
    /// What its name has of the identity of its database; empty if it has nothing of it.
    of: String,
}

/// Returns the name of a copy of a database that is made at a moment. It sorts behind all others, also after the
/// clock was set back: copies are removed in the order of their names.
pub(super) fn name(of: &str, at: Timestamp, newest: Option<Timestamp>) -> (String, Timestamp) {
    let second = |moment: Timestamp| moment.millis().div_euclid(1000);
    let after = newest.map_or(i64::MIN, |newest| second(newest).saturating_add(1));
    let seconds = second(at).max(after);
    let at = Timestamp::from_millis(seconds.saturating_mul(1000));
    (format!("{PREFIX}{}-{}{END}", at.for_names(), beginning(of)), at)
}

/// Returns what names have of the identity of a database.
fn beginning(store_id: &str) -> &str {
    store_id.get(..LENGTH_OF_IDENTITY).unwrap_or(store_id)
}

/// Returns the path of the draft of a copy that goes to a path.
pub(super) fn draft_of(path: &Path) -> PathBuf {
    beside(path, UNFINISHED)
}

fn is_beginning(text: &str) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.len() == LENGTH_OF_IDENTITY && text.bytes().all(is_digit)
}

/// Returns the copies in a folder, the oldest first.
pub(super) fn list(folder: &Path) -> io::Result<Vec<Copy>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some((at, of)) = name.to_str().and_then(parts) else { continue };
        match entry.metadata() {
            Ok(metadata) if metadata.is_file() => {
                let backup = KeptBackup { at, bytes: metadata.len() };
                found.push(Copy { backup, path: entry.path(), of: of.to_owned() });
            }
            // Somebody has removed it meanwhile.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    found.sort_unstable_by(|one, other| one.path.cmp(&other.path));
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
        Ok(found.into_iter().map(|copy| copy.path).collect())
    }
}

/// Returns the newest copy in a folder, if there is one.
pub(super) fn newest(folder: &Path) -> io::Result<Option<KeptBackup>> {
    match list(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => Ok(found?.last().map(|newest| newest.backup)),
    }
}

/// Removes all but the newest copies. The newest one of each of the last other databases stays too: what
/// the server began anew, or was given by mistake, must not push out all that is left of those before.
/// Returns an error of one that could not be removed, after the others are.
pub(super) fn prune(folder: &Path, keep: usize, store_id: &str) -> io::Result<()> {
    let found = list(folder)?;
    let surplus = found.len().saturating_sub(keep.max(1));
    let mut databases = vec![beginning(store_id)];
    let mut outcome = Ok(());
    for (index, Copy { path, of, .. }) in found.iter().enumerate().rev() {
        let is_newest = !databases.contains(&of.as_str());
        if is_newest {
            databases.push(of);
        }
        let stays = index >= surplus || (is_newest && databases.len() <= 1 + OTHERS_KEPT);
        if !stays {
            outcome = outcome.and(create::remove_if_there(path));
        }
    }
    outcome
}

/// Removes the drafts that a kill has left.
pub(super) fn remove_drafts(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_draft = name.to_str().is_some_and(|name| {
            name.split_once(UNFINISHED).is_some_and(|(name, _)| parts(name).is_some())
        });
        if is_draft {
            create::remove_if_there(&entry.path())?;
        }
    }
    Ok(())
}

/// Returns the time in the name of a copy, and what it has of the identity of its database.
fn parts(name: &str) -> Option<(Timestamp, &str)> {
    let (text, of) = name.strip_prefix(PREFIX)?.strip_suffix(END)?.split_once('Z')?;
    let of = if of.is_empty() { of } else { of.strip_prefix('-').filter(|of| is_beginning(of))? };
    let (date, clock) = text.split_once('T')?;
    if !text.is_ascii() || date.len() != 8 || clock.len() != 6 {
        return None;
    }
    let ([year, month, day], [hour, minute, second]) =
        ([&date[..4], &date[4..6], &date[6..]], [&clock[..2], &clock[2..4], &clock[4..]]);
    let text = format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z");
    Some((ReportedTime::parse(&text).ok()?.to_the_millisecond(), of))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ID: &str = "5f3a9c21b0d44e6f8a7c3d2e1f0b9a88";

    #[test]
    fn the_name_of_a_copy_sorts_behind_all_others_also_after_the_clock_was_set_back() {
        let at = Timestamp::from_millis(1_776_767_535_120);
        let (first, when) = name(ID, at, None);
        assert_eq!(first, "gitops-status-20260421T103215Z-5f3a9c21.db");
        assert_eq!(parts(&first), Some((when, "5f3a9c21")));
        let (second, when) = name(ID, at.minus(Duration::from_hours(48)), Some(when));
        assert_eq!(second, "gitops-status-20260421T103216Z-5f3a9c21.db");
        assert_eq!(parts(&second), Some((when, "5f3a9c21")));
        assert_eq!(parts("gitops-status-20260421T103216Z.db"), Some((when, "")));
        for other in [
            "status.db",
            "gitops-status-.db",
            "gitops-status-20260421T103215Z.db.unfinished",
            "gitops-status-20261321T103215Z.db",
            "gitops-status-2026042éT10321Z.db",
            "gitops-status-20260421T103215Z5f3a9c21.db",
            "gitops-status-20260421T103215Z-before-upgrade.db",
            "gitops-status-20260421T103215Z-upgraded.db",
        ] {
            assert_eq!(parts(other), None, "{other}");
        }
    }
}
