//! What the writer shows to everybody.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

use crate::domain::{Capacity, Full, Head, KeyRef, Snapshot, Timestamp};
use crate::metrics::BackupState;
use crate::mutex::locked;
use crate::store::{Part, Soundness, Usage};

/// The latest snapshot, and how the store is.
#[derive(Debug)]
pub(super) struct Published {
    /// Locked for as long as it takes to take a handle, or to accept a plan.
    snapshot: Mutex<Arc<Snapshot>>,
    /// Notified of each new snapshot. Only the feed waits for it.
    pub(super) has_changed: Notify,
    pub(super) capacity: Capacity,
    /// Whether the snapshot takes no new entries. Asked for each update, without the lock.
    is_full: AtomicBool,
    is_storing: AtomicBool,
    /// The store's last answer, so that readers do not wait for a disk.
    usage: Mutex<Usage>,
    soundness: Mutex<Soundness>,
    /// `None` if no copies are made by themselves.
    backups: Mutex<Option<BackupState>>,
}

impl Published {
    pub(super) fn new(snapshot: Snapshot, capacity: Capacity, usage: Usage) -> Self {
        let is_full = capacity.reached(snapshot.kept(), snapshot.row_bytes()).is_some();
        Self {
            snapshot: Mutex::new(Arc::new(snapshot)),
            has_changed: Notify::new(),
            capacity,
            is_full: AtomicBool::new(is_full),
            is_storing: AtomicBool::new(true),
            usage: Mutex::new(usage),
            soundness: Mutex::default(),
            backups: Mutex::default(),
        }
    }

    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&locked(&self.snapshot))
    }

    /// Returns the last commit that the snapshot has. While nobody holds a handle, the snapshot can be
    /// changed in place.
    pub(super) fn head(&self) -> Head {
        locked(&self.snapshot).head()
    }

    /// Changes the snapshot: in place if nobody else holds it.
    pub(super) fn change(&self, change: impl FnOnce(&mut Snapshot)) {
        let mut published = locked(&self.snapshot);
        change(Arc::make_mut(&mut published));
        self.note_fullness(&published);
        drop(published);
        self.has_changed.notify_one();
    }

    /// Changes a copy of the snapshot without the lock, for changes that take long.
    pub(super) fn change_copy(&self, change: impl FnOnce(&mut Snapshot)) {
        let mut next = Snapshot::clone(&self.snapshot());
        change(&mut next);
        self.replace(next);
    }

    /// Replaces the snapshot, as by one that was loaded.
    pub(super) fn replace(&self, snapshot: Snapshot) {
        let snapshot = Arc::new(snapshot);
        self.note_fullness(&snapshot);
        *locked(&self.snapshot) = snapshot;
        self.has_changed.notify_one();
    }

    fn note_fullness(&self, snapshot: &Snapshot) {
        let full = self.capacity.reached(snapshot.kept(), snapshot.row_bytes());
        self.is_full.store(full.is_some(), Ordering::Relaxed);
    }

    /// Returns the limit that keeps an update of this pair out, as far as the snapshot goes.
    pub(super) fn is_full_for(&self, key: KeyRef<'_>) -> Option<Full> {
        if !self.is_full.load(Ordering::Relaxed) {
            return None;
        }
        locked(&self.snapshot).is_full_for(key, &self.capacity)
    }

    pub(super) fn is_storing(&self) -> bool {
        self.is_storing.load(Ordering::Relaxed)
    }

    /// Notes, and logs, whether the store could be written to.
    pub(super) fn note_storing(&self, outcome: Result<(), &dyn Display>) {
        let was_storing = self.is_storing.swap(outcome.is_ok(), Ordering::Relaxed);
        match outcome {
            Ok(()) if !was_storing => log::info!("Updates can be stored again"),
            Err(error) if was_storing => log::error!("Updates cannot be stored: {error}"),
            Err(error) => log::debug!("Updates still cannot be stored: {error}"),
            Ok(()) => {}
        }
    }

    pub(super) fn backups(&self) -> MutexGuard<'_, Option<BackupState>> {
        locked(&self.backups)
    }

    pub(super) fn usage(&self) -> Usage {
        *locked(&self.usage)
    }

    pub(super) fn note_usage(&self, usage: Usage) {
        *locked(&self.usage) = usage;
    }

    pub(super) fn soundness(&self) -> MutexGuard<'_, Soundness> {
        locked(&self.soundness)
    }

    pub(super) fn note_damage(&self, part: Part) {
        self.soundness().damaged.insert(part);
    }

    /// Replaces the findings of earlier checks. Returns whether there were none.
    pub(super) fn note_check(&self, damaged: BTreeSet<Part>, now: Timestamp) -> bool {
        let mut soundness = self.soundness();
        soundness.checked = Some(now);
        std::mem::replace(&mut soundness.damaged, damaged).is_empty()
    }
}
