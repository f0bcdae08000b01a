//! The service in the middle: takes updates, and shows the snapshot that they have made.
//!
//! Commit, then publish, then answer: nobody sees what is not on disk, and reading waits for
//! nothing. Knows the domain and the store; knows nothing of HTTP.

mod checker;
mod feed;
mod log_line;
mod past;
mod pruner;
mod queue;
mod upkeep;
mod writer;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thiserror::Error;
use tokio::sync::Notify;

pub use checker::Checker;
pub use feed::{Feed, Listener, Step};
pub use past::Unanswered;
pub use writer::Writer;

use self::pruner::Pruner;
use self::queue::{Command, Queue};
use crate::clock::{Clock, Reading, Steadiness};
use crate::domain::{
    Capacity, Full, Key, KeyRef, Now, Omitted, Policy, Report, Retention, Snapshot, Timestamp,
};
use crate::metrics::{Commits, Gauges};
use crate::store::{Archive, Loaded, Part, Soundness, Store, Usage};

/// Why an update was not accepted.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Refusal {
    /// Too many updates are waiting already; this one was not applied.
    #[error("too many updates are waiting")]
    Busy,
    /// It would be a new entry, and a limit keeps those out; this one was not applied.
    #[error("a limit on what is stored is reached")]
    Full(Full),
    /// It could not be stored; whether it was applied is not known.
    #[error("the update could not be stored")]
    NotStored,
}

/// What an entry's removal came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Removal {
    /// It was there and is gone.
    Removed,
    /// There was none.
    NotFound,
}

/// Settings of a board.
#[derive(Clone, Copy, Debug)]
pub struct BoardSettings {
    /// The life of entries.
    pub policy: Policy,
    /// How much there may be.
    pub capacity: Capacity,
    /// How long the history is kept.
    pub retention: Retention,
}

/// A handle on the service; clones are handles on the same one.
#[derive(Clone)]
pub struct Board {
    queue: Queue,
    shared: Arc<Published>,
    feed: Feed,
    store: Arc<dyn Store>,
    archive: Arc<dyn Archive>,
}

/// What the writer shows to everybody.
#[derive(Debug)]
struct Published {
    /// Held for as long as it takes to take a copy or to put the rows of a batch in their places.
    snapshot: Mutex<Arc<Snapshot>>,
    /// Says that the published snapshot is another one; heard by the feed alone.
    has_changed: Notify,
    capacity: Capacity,
    /// Whether the published snapshot takes no new entries: asked for each update, without the lock.
    is_full: AtomicBool,
    is_storing: AtomicBool,
    /// What the store said last of its room: whoever asks should not have to wait for a disk.
    usage: Mutex<Usage>,
    /// What is known of damage to the store.
    soundness: Mutex<Soundness>,
}

impl Published {
    fn new(snapshot: Snapshot, capacity: Capacity, usage: Usage) -> Self {
        let is_full = capacity.reached(snapshot.kept(), snapshot.row_bytes()).is_some();
        Self {
            snapshot: Mutex::new(Arc::new(snapshot)),
            has_changed: Notify::new(),
            capacity,
            is_full: AtomicBool::new(is_full),
            is_storing: AtomicBool::new(true),
            usage: Mutex::new(usage),
            soundness: Mutex::default(),
        }
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the published snapshot: in place where nobody holds a snapshot of it.
    fn change(&self, change: impl FnOnce(&mut Snapshot)) {
        let mut published = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut published));
        self.note_fullness(&published);
        drop(published);
        self.has_changed.notify_one();
    }

    fn note_fullness(&self, snapshot: &Snapshot) {
        let full = self.capacity.reached(snapshot.kept(), snapshot.row_bytes());
        self.is_full.store(full.is_some(), Ordering::Relaxed);
    }

    /// Returns the limit that keeps an update out, as far as the published snapshot goes.
    fn is_full_for(&self, key: KeyRef<'_>) -> Option<Full> {
        if !self.is_full.load(Ordering::Relaxed) {
            return None;
        }
        let published = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        published.is_full_for(key, &self.capacity)
    }

    fn soundness(&self) -> MutexGuard<'_, Soundness> {
        self.soundness.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_damage(&self, part: Part) {
        self.soundness().damaged.insert(part);
    }

    /// Replaces what earlier looks at the store have found. Returns whether that was nothing.
    fn note_check(&self, damaged: BTreeSet<Part>, now: Timestamp) -> bool {
        let mut soundness = self.soundness();
        soundness.checked = Some(now);
        std::mem::replace(&mut soundness.damaged, damaged).is_empty()
    }

    fn note_usage(&self, usage: Usage) {
        *self.usage.lock().unwrap_or_else(PoisonError::into_inner) = usage;
    }

    /// Replaces the published snapshot by one that took its time to make.
    fn replace(&self, snapshot: Snapshot) {
        let snapshot = Arc::new(snapshot);
        self.note_fullness(&snapshot);
        *self.snapshot.lock().unwrap_or_else(PoisonError::into_inner) = snapshot;
        self.has_changed.notify_one();
    }
}

impl Board {
    /// Makes a board of what a store has loaded, and the writer and the feed that have to be run
    /// for it.
    #[must_use]
    pub fn new(
        loaded: Loaded,
        store: Arc<dyn Store>,
        archive: Arc<dyn Archive>,
        clock: Arc<dyn Clock>,
        settings: BoardSettings,
        commits: Commits,
        usage: Usage,
    ) -> (Self, Writer, Feed) {
        let reading: Reading = clock.read();
        let mut steadiness = Steadiness::begin(reading);
        let (now, _): (Now, bool) = steadiness.observe(reading);
        let Loaded { store_id: _, revision, entries } = loaded;
        let snapshot = Snapshot::load(settings.policy, revision, entries, now);
        let shared = Arc::new(Published::new(snapshot, settings.capacity, usage));
        shared.soundness().lost_commits = store.lost_commits();
        let (queue, commands) = queue::queue();
        let feed = Feed::new(Arc::clone(&shared));
        let board = Self {
            queue,
            shared: Arc::clone(&shared),
            feed: feed.clone(),
            store: Arc::clone(&store),
            archive: Arc::clone(&archive),
        };
        let pruner = Pruner::new(archive, settings.retention);
        let writer = Writer::new(
            commands,
            shared,
            store,
            clock,
            steadiness,
            pruner,
            settings.capacity,
            commits,
        );
        (board, writer, feed)
    }

    /// Records an update. Once this returns `Ok`, the update survives a power cut and every
    /// snapshot shows it, but for what was omitted for want of room.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn record(&self, report: Report) -> Result<Omitted, Refusal> {
        // Asked for before there is a place in the queue or a store that works: those who must not
        // try again have to be told so first.
        if let Some(full) = self.shared.is_full_for(report.key()) {
            return Err(Refusal::Full(full));
        }
        let weight = report.weight();
        self.queue.send(weight, |answer| Command::Record { report, answer }).await?
    }

    /// Takes an entry out at once.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn remove(&self, key: Key) -> Result<Removal, Refusal> {
        let weight = key.repo.as_str().len() + key.server.as_str().len();
        self.queue.send(weight, |answer| Command::Remove { key, answer }).await?
    }

    /// Returns every entry as it is on disk, with the marks of this moment.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.snapshot()
    }

    /// Begins to listen to changes: after the step of this name if that is known, or from now on.
    #[must_use]
    pub fn listen(&self, after: Option<&str>) -> Listener {
        self.feed.listen(after)
    }

    /// Returns how many listen to changes.
    #[must_use]
    pub fn listeners(&self) -> usize {
        self.feed.listeners()
    }

    /// Returns what metrics say of the present.
    #[must_use]
    pub fn present(&self) -> Gauges {
        Gauges {
            snapshot: self.snapshot(),
            capacity: self.shared.capacity,
            queue: self.queue.load(),
            is_storing: self.is_storing(),
            listeners: self.listeners(),
            usage: *self.shared.usage.lock().unwrap_or_else(PoisonError::into_inner),
            soundness: self.soundness(),
        }
    }

    /// Returns what is known of damage to what is stored.
    #[must_use]
    pub fn soundness(&self) -> Soundness {
        self.shared.soundness().clone()
    }

    /// Whether updates can be stored, as far as is known.
    #[must_use]
    pub fn is_storing(&self) -> bool {
        self.shared.is_storing.load(Ordering::Relaxed)
    }
}
