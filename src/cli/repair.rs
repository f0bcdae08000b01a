//! `repair`: makes a sound database of a damaged one, and reports what is lost.

use std::path::Path;

use crate::store::OpenError;
use crate::store::sqlite::{HistoryRepair, Repair, SqliteStore};

/// Repairs a database that no server has open, and returns the outcome as text.
///
/// # Errors
/// As [`SqliteStore::repair`].
pub async fn repair(path: &Path) -> Result<String, OpenError> {
    Ok(match SqliteStore::repair(path).await? {
        Repair::NotNeeded { lost_commits: 0 } => {
            format!("Nothing is damaged in {}: it was left unchanged.\n", path.display())
        }
        Repair::NotNeeded { lost_commits } => format!(
            "Nothing can be repaired in {}: it was left unchanged.\n\
             Entries and history are {}.\n",
            path.display(),
            as_of(lost_commits),
        ),
        Repair::Done { entries, history, lost_commits, old } => format!(
            "{} is sound again.\n\
             Entries: {entries}, {}.\n\
             History: {}.\n\
             The damaged file was kept: {}\n",
            path.display(),
            as_of(lost_commits),
            in_words(&history),
            old.display()
        ),
    })
}

fn as_of(lost_commits: u64) -> String {
    if lost_commits == 0 {
        return "all that there were".to_owned();
    }
    format!("as they were up to {lost_commits} commits ago: those are lost with the damaged log")
}

fn in_words(history: &HistoryRepair) -> String {
    match history {
        HistoryRepair::Kept(count) => {
            format!("{count} transitions, all that there were; their indexes were rebuilt")
        }
        HistoryRepair::SetAside(reason) => format!(
            "lost, because it could not be read to its end ({reason}); a new one starts with the \
             next change of an entry"
        ),
    }
}
