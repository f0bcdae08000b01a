//! The handle on the service, and all that it can be asked.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::channel;

use super::answer::{Answers, Refusal};
use super::committer::Committer;
use super::errands::errands;
use super::feed::{Feed, Listener};
use super::follower::Follower;
use super::pruner::Pruner;
use super::published::Published;
use super::queue::{self, Queue};
use super::replicas::Replicas;
use super::shared::Shared;
use super::start::Start;
use super::timekeeper::Timekeeper;
use super::upkeep::Upkeep;
use super::writer::Writer;
use crate::clock::{Clock, Reading, Steadiness};
use crate::domain::{
    Action, Capacity, Now, Outage, Policy, Refused, Report, Request, Retention, Shortened, Snapshot,
};
use crate::metrics::{Commits, Gauges, ReplicaState};
use crate::store::{Archive, Loaded, Soundness, Store};

/// An outage that is worth a line in the log.
const LONG_OUTAGE: Duration = Duration::from_mins(5);

/// Settings of a board.
#[derive(Clone, Debug)]
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
    pub(super) published: Arc<Published>,
    feed: Feed,
    replicas: Arc<Replicas>,
    pub(super) store: Arc<dyn Store>,
    pub(super) archive: Arc<dyn Archive>,
}

impl Board {
    /// Makes a board of what a store has told, and the writer, the feed and the follower that have to
    /// be run for it.
    #[must_use]
    pub fn new(
        start: Start,
        store: Arc<dyn Store>,
        archive: Arc<dyn Archive>,
        clock: Arc<dyn Clock>,
        settings: BoardSettings,
        commits: Commits,
    ) -> (Self, Writer, Feed, Follower) {
        let BoardSettings { policy, capacity, retention } = settings;
        let reading: Reading = clock.read();
        let mut steadiness = Steadiness::begin(reading);
        let (now, _): (Now, bool) = steadiness.observe(reading);
        let outages = start.outages(now);
        outages.latest().into_iter().for_each(log_outage);
        let (loaded, usage, replicas) = start.into_parts();
        let Loaded { store_id: _, head, entries, outages: noted, restored_at } = loaded;
        let replicas = Arc::new(replicas);
        let policy = Policy { outages, restored_at, ..policy };
        let snapshot = Snapshot::load(policy, head, entries, now);
        let published = Arc::new(Published::new(snapshot, capacity, usage));
        published.soundness().lost_commits = store.lost_commits();
        let (queue, requests) = queue::queue();
        let feed = Feed::new(Arc::clone(&published));
        let time = Timekeeper::new(Arc::clone(&published), Arc::clone(&clock), steadiness);
        let (tell, told) = channel(1);
        let shared = Shared {
            published: Arc::clone(&published),
            store: Arc::clone(&store),
            replicas: Arc::clone(&replicas),
        };
        let committer = Committer::new(shared.clone(), commits);
        let (errands, underway) = errands();
        let upkeep = Upkeep::new(shared.clone(), errands.clone(), noted);
        let pruner = Pruner::new(shared.clone(), errands, Arc::clone(&archive), retention);
        let follower = Follower::new(shared, clock, tell);
        let writer = Writer::new(requests, time, committer, (upkeep, pruner), underway, told);
        let board = Self { queue, published, feed: feed.clone(), replicas, store, archive };
        (board, writer, feed, follower)
    }

    /// Submits requests: the one way in. Returns what came of each, in order.
    ///
    /// After `Ok`, a request's effect survives a power cut and every snapshot shows it. Requests of
    /// one submission take effect in their order, in as many commits as they need; between these,
    /// requests of others have their turns.
    pub async fn submit(&self, requests: Vec<Request>) -> Answers {
        // Asked before there is a place in the queue or a store that works: clients that must not
        // try again have to be told so first. Where others write too, only the store knows.
        if self.store.poll_every().is_some() {
            return self.queue.submit(requests).await;
        }
        if requests.iter().all(|request| self.is_full_for(request).is_none()) {
            return self.queue.submit(requests).await;
        }
        let full = requests.iter().map(|request| self.is_full_for(request)).collect::<Vec<_>>();
        let wanted = requests.into_iter().zip(&full).filter(|(_, full)| full.is_none());
        let answers = self.queue.submit(wanted.map(|(request, _)| request).collect()).await;
        let mut answers = answers.into_iter();
        let answer = |full: Option<Refusal>| match full {
            Some(full) => Err(full),
            None => answers.next().unwrap_or(Err(Refusal::NotStored)),
        };
        full.into_iter().map(answer).collect()
    }

    fn is_full_for(&self, request: &Request) -> Option<Refusal> {
        let full = match &request.action {
            Action::Report(report) => self.published.is_full_for(report.key()),
            Action::Remove(_) => None,
        };
        full.map(|full| Refusal::Refused(Refused::Full(full)))
    }

    /// Returns the time after which the entry of a report should be stale, if it is stale earlier
    /// because its time to live is not longer.
    #[must_use]
    pub fn shortened(&self, report: &Report) -> Option<Shortened> {
        // Without a time to live of its own, no entry can expire before it is stale. Most reports have
        // none, and do not wait for the lock.
        report.schedule.ttl_seconds?;
        self.snapshot().policy().shortened(report)
    }

    /// Returns the entries as they are on disk, as stale or expired as they are now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.published.snapshot()
    }

    /// Begins to listen to changes: after the step of this name if that is known, or from now on.
    #[must_use]
    pub fn listen(&self, after: Option<&str>) -> Listener {
        self.feed.listen(after)
    }

    /// Returns how many clients listen to changes.
    #[must_use]
    pub fn listeners(&self) -> usize {
        self.feed.listeners()
    }

    /// Returns what metrics show of this moment.
    #[must_use]
    pub fn gauges(&self) -> Gauges {
        Gauges {
            snapshot: self.snapshot(),
            capacity: self.published.capacity,
            queue: self.queue.load(),
            is_storing: self.is_storing(),
            listeners: self.listeners(),
            usage: self.published.usage(),
            soundness: self.soundness(),
            replicas: self.replica_state(),
            backups: self.backup_state(),
        }
    }

    /// Returns the known damage to the store.
    #[must_use]
    pub fn soundness(&self) -> Soundness {
        self.published.soundness().clone()
    }

    /// Returns how this replica stands to the others; `None` if one process has the store alone.
    #[must_use]
    pub fn replica_state(&self) -> Option<ReplicaState> {
        self.replicas.state()
    }

    /// Whether updates can be stored, as far as is known.
    #[must_use]
    pub fn is_storing(&self) -> bool {
        self.published.is_storing()
    }
}

fn log_outage(outage: Outage) {
    let Outage { from, to } = outage;
    if outage.length() >= LONG_OUTAGE {
        log::info!("No update was stored from {from} to {to}: this time does not count as silence");
    }
}
