//! The commits that a store has told its callers of.
//!
//! After a failover to a standby that lacked commits, revisions are used again. The token of a commit
//! tells it from another one of the same revision.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::domain::Revision;
use crate::mutex::locked;
use crate::store::CommitId;

/// How many are remembered: a caller may go on from an earlier one than the last.
const REMEMBERED: usize = 256;

/// The last commits that callers know of.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<Commits>);

#[derive(Debug, Default)]
struct Commits {
    ids: BTreeMap<Revision, CommitId>,
    /// The commit that was asked for last. While the caller stays there, it is asked for again,
    /// however many come after it.
    asked: Option<Revision>,
}

impl Told {
    pub(super) fn note(&self, revision: Revision, id: CommitId) {
        let Commits { ids, asked } = &mut *locked(&self.0);
        ids.insert(revision, id);
        while ids.len() > REMEMBERED {
            let mut known = ids.keys().copied();
            let Some(oldest) = known.find(|known| Some(*known) != *asked) else { return };
            ids.remove(&oldest);
        }
    }

    /// Forgets all others: the caller goes on from this one, whatever it knew before.
    pub(super) fn begin_anew(&self, revision: Revision, id: CommitId) {
        *locked(&self.0) = Commits { ids: BTreeMap::from([(revision, id)]), asked: None };
    }

    pub(super) fn id_of(&self, revision: Revision) -> Option<CommitId> {
        let Commits { ids, asked } = &mut *locked(&self.0);
        *asked = Some(revision);
        ids.get(&revision).copied()
    }
}

/// Writes an id as PostgreSQL reads a `uuid`.
pub(super) fn uuid(id: CommitId) -> String {
    format!("{:032x}", id.0)
}

/// Reads a `uuid` as PostgreSQL writes it.
pub(super) fn read_uuid(text: &str) -> Option<CommitId> {
    u128::from_str_radix(&text.replace('-', ""), 16).ok().map(CommitId)
}
