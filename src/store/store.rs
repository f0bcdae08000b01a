//! The writing half of a store, and all that a start needs of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::{
    BackupError, BackupPlace, CommitError, Copied, Examination, KeptBackup, Meeting, Presence,
    StoreError,
};
use crate::domain::{Changes, CommitId, Entry, Head, Outage, Plan, Timestamp, TransitionId};

/// The present, as a store holds it.
#[derive(Debug)]
pub struct Loaded {
    /// Identifies the database for as long as it exists.
    pub store_id: String,
    /// The last commit.
    pub head: Head,
    /// All entries, ordered by (repo, server).
    pub entries: Vec<Arc<Entry>>,
    /// The server's outages before earlier starts.
    pub outages: Vec<Outage>,
    /// When all of this was restored from a backup or imported; `None` if it came here first.
    pub restored_at: Option<Timestamp>,
}

/// The space that a store takes and has, in bytes; `None` where the store cannot tell.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Size of the database.
    pub database_bytes: Option<u64>,
    /// Size of the log of changes that are not yet in their place in the database.
    pub log_bytes: Option<u64>,
    /// Size of the database's empty pages, which are filled before the database grows.
    pub reusable_bytes: Option<u64>,
    /// Whether another program reads the log and so keeps it from shrinking.
    pub log_is_pinned: Option<bool>,
    /// Free space where the database lies.
    pub free_bytes: Option<u64>,
    /// Size of the file system there.
    pub file_system_bytes: Option<u64>,
}

/// A commit that is durable.
#[derive(Debug)]
pub struct Committed {
    /// The commit that was made.
    pub head: Head,
    /// What others committed between the expected head and this one, in order. None of it
    /// concerns a pair of this commit. Empty in a store that one process has alone.
    pub missed: Vec<Changes>,
}

/// What became of a commit that was not confirmed.
#[derive(Debug)]
pub enum CommitOutcome {
    /// It is durable.
    Made(Committed),
    /// It was not applied, and will not be.
    NotMade {
        /// What others have committed since the expected head, in order.
        missed: Vec<Changes>,
    },
    /// The store cannot tell any more: load it anew.
    Reload,
}

/// Keeps entries and their history durable.
///
/// One caller at a time writes. No call blocks the thread that awaits it, even where a disk hangs.
/// A store never answers from memory: everything that it returns is durable.
#[async_trait]
pub trait Store: Send + Sync {
    /// Reads all entries at one revision.
    async fn load(&self) -> Result<Loaded, StoreError>;

    /// Makes a plan durable as a whole, as a new revision. `expected` is the head of the
    /// snapshot that the plan was made for.
    ///
    /// `Ok` means that all of it survives a power cut. The errors say what may have been applied;
    /// nothing is ever applied in part. Others may have committed since `expected`, unless they have
    /// changed a pair of the plan, or their growth is above the plan's [`Plan::room`].
    async fn commit(
        &self,
        expected: Head,
        id: CommitId,
        plan: &Plan,
    ) -> Result<Committed, CommitError>;

    /// Returns what became of a commit that failed with [`CommitError::Unknown`]. `since` is the
    /// head that the commit expected.
    async fn outcome(&self, since: Head, id: CommitId) -> Result<CommitOutcome, StoreError>;

    /// Returns what has changed since a commit, or `None` if the store cannot tell: that was too long
    /// ago, or the store does not have that commit. Runs beside all other calls.
    async fn changes_since(&self, since: Head) -> Result<Option<Changes>, StoreError>;

    /// Returns how often to ask for what others have committed; `None` for a store that one process
    /// has alone.
    fn poll_every(&self) -> Option<Duration> {
        None
    }

    /// Says that this replica runs, and learns of the others: about once a second, beside all other
    /// calls. `None` from a store that one process has alone.
    async fn meet(&self, _me: Presence<'_>) -> Result<Option<Meeting>, StoreError> {
        Ok(None)
    }

    /// Keeps outages for later loads, and for the meetings of other replicas, in place of those that
    /// it is known to have. Outages that others have noted meanwhile stay, and no beginning is there
    /// twice. This is no commit. After an error, those that it had may be gone or not. Only the
    /// writer may call this. A store may forget them: reporters then seem silent for longer.
    async fn note_outages(
        &self,
        _outages: &[Outage],
        _in_place_of: &[Outage],
    ) -> Result<(), StoreError> {
        Ok(())
    }

    /// Keeps a moment as that of the restore, in place of one that was wrong. If another one is stored,
    /// that one stays. Returns the moment that is stored then. This is no commit. Only the writer may
    /// call this, of a store that was restored.
    async fn note_restore(
        &self,
        _at: Timestamp,
        _in_place_of: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }

    /// Deletes transitions. After an error they may or may not be deleted. Only the writer may call
    /// this.
    async fn prune(&self, transitions: &[TransitionId]) -> Result<(), StoreError>;

    /// Does a little of the housekeeping that keeps the store small; more of it with `has_time`,
    /// which is for when no update waits. Only the writer of the replica that leads may call this,
    /// every now and then. A store that stays small by itself does nothing.
    async fn tend(&self, _has_time: bool) -> Result<(), StoreError> {
        Ok(())
    }

    /// Deletes some of what replicas have told each other and none needs any more, beside all other
    /// calls. Returns whether there may be more of it. One replica has to call this every now and then;
    /// several may. After an error, or if the future is dropped, some of it may be gone.
    async fn trim(&self) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// Makes sure that the database is still where it was opened.
    async fn check(&self) -> Result<(), StoreError>;

    /// Measures space. Needs no connection, but asks the file system. A store without files of its
    /// own cannot tell.
    async fn usage(&self) -> Usage {
        Usage::default()
    }

    /// Begins to look through everything that is stored, beside all other calls.
    async fn examine(&self) -> Result<Box<dyn Examination>, StoreError>;

    /// Whether [`Store::back_up`] makes copies. Some databases have tools of their own for that.
    fn can_be_copied(&self) -> bool {
        false
    }

    /// Makes a whole copy of all that is stored, beside all other calls; one after the other. It has
    /// every commit that returned before this was called. The copy is given up after `stop`, or once
    /// nobody waits for it; nothing is left of it then.
    async fn back_up(
        &self,
        _place: BackupPlace,
        _stop: CancellationToken,
    ) -> Result<Copied, BackupError> {
        Err(BackupError::ByOtherMeans)
    }

    /// Returns the newest of the copies in a folder.
    async fn newest_backup(&self, _folder: &Path) -> Result<Option<KeptBackup>, StoreError> {
        Ok(None)
    }

    /// Returns an upper bound of the confirmed commits that were found lost when the store was
    /// opened.
    fn lost_commits(&self) -> u64 {
        0
    }

    /// Leaves everything in order for the next start, and tells the other replicas that this one has
    /// ended. Nothing can be committed afterwards.
    async fn close(&self);
}
