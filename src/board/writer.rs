//! The writer: the one task that changes the snapshot, batch by batch.
//!
//! A batch is whatever has queued up while the last one was written, so nothing waits for company
//! and many updates share one sync of the disk.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::{BoxFuture, OptionFuture};
use tokio::sync::mpsc::Receiver;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::log_line::LogLine;
use super::pruner::Pruner;
use super::queue::{Command, Outcome, Queued};
use super::upkeep::Upkeep;
use super::{Published, Refusal, Removal};
use crate::clock::{Clock, Steadiness};
use crate::domain::{Capacity, Change, Now, Plan, SETTLING_TIME, Snapshot, TransitionId};
use crate::metrics::Commits;
use crate::store::{CommitError, CommitId, Committed, Loaded, Store, StoreError, Usage};

/// How many commands a batch may have.
const BATCH_COMMANDS: usize = 1024;
/// How many bytes of commands a batch may have, but for the last one.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// How many entries are settled in one batch: few enough not to hold up an update for longer than
/// a commit takes.
const SETTLED_AT_ONCE: usize = 32;
/// How often the marks are made what the clock says: well under the promised second.
const TICK: Duration = Duration::from_millis(250);
/// Every how many ticks the store is looked at, and written to if it has failed.
const TICKS_A_CHECK: u32 = 4;
/// After how many ticks without an answer the store counts as broken.
const TICKS_OF_PATIENCE: u32 = 20;

/// Applies commands to the snapshot, commits, publishes, answers.
pub struct Writer {
    commands: Receiver<Queued>,
    shared: Arc<Published>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    steadiness: Steadiness,
    pruner: Pruner,
    capacity: Capacity,
    upkeep: Upkeep,
    metrics: Commits,
    ticks: Interval,
    ticks_seen: u32,
    /// How often the clock has jumped.
    jumps: u32,
    /// Whether the last commit may or may not have been applied.
    is_in_doubt: bool,
    has_more_to_mark: bool,
    has_more_to_settle: bool,
    /// The look at the store's room that is under way.
    look: Option<BoxFuture<'static, Usage>>,
}

impl Writer {
    #[expect(clippy::too_many_arguments, reason = "it has too many jobs")]
    pub(super) fn new(
        commands: Receiver<Queued>,
        shared: Arc<Published>,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        steadiness: Steadiness,
        pruner: Pruner,
        capacity: Capacity,
        metrics: Commits,
    ) -> Self {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            commands,
            shared,
            store,
            clock,
            steadiness,
            pruner,
            capacity,
            upkeep: Upkeep::default(),
            metrics,
            ticks,
            ticks_seen: 0,
            jumps: 0,
            is_in_doubt: false,
            has_more_to_mark: false,
            has_more_to_settle: false,
            look: None,
        }
    }

    /// Runs until `stop`, then finishes what has been queued and closes the store.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut queued = Vec::with_capacity(BATCH_COMMANDS);
        // Between two batches of updates, one other thing has its turn if it is due: by chance, a
        // waiting update would now and then see a dozen of them go first.
        let mut updates_go_first = true;
        loop {
            let mut were_updates = false;
            tokio::select! {
                biased;
                () = stop.cancelled(), if !self.commands.is_closed() => self.commands.close(),
                _ = self.ticks.tick() => self.pass_time().await,
                count = self.commands.recv_many(&mut queued, BATCH_COMMANDS),
                    if updates_go_first =>
                {
                    if count == 0 {
                        break;
                    }
                    self.process(&mut queued).await;
                    were_updates = true;
                }
                () = std::future::ready(()), if self.has_more_to_mark => self.follow_the_clock(),
                () = std::future::ready(()), if self.has_more_to_settle => self.settle().await,
                Some(usage) = OptionFuture::from(self.look.as_mut()) => {
                    self.look = None;
                    self.shared.note_usage(usage);
                }
                found = self.pruner.find() => self.prune(found).await,
                () = std::future::ready(()), if !updates_go_first => {}
            }
            updates_go_first = !were_updates;
        }
        self.pruner.give_up();
        self.store.close().await;
    }

    /// Processes what was taken from the queue, in batches that are bounded in bytes.
    async fn process(&mut self, queued: &mut Vec<Queued>) {
        let mut rest = queued.drain(..).peekable();
        while rest.peek().is_some() {
            let mut weight = 0;
            let mut plan = Vec::new();
            while let Some(next) = rest.next_if(|_| weight < BATCH_BYTES) {
                weight += next.weight;
                plan.push(next);
            }
            self.process_batch(plan).await;
        }
    }

    async fn process_batch(&mut self, queued: Vec<Queued>) {
        if self.is_in_doubt && !self.catch_up().await {
            for queued in queued {
                queued.command.refuse();
            }
            return;
        }
        let now = self.now();
        let snapshot = self.shared.snapshot();
        let mut plan = Plan::default();
        let mut log = Vec::new();
        let mut outcomes = Vec::with_capacity(queued.len());
        for Queued { command, weight: _, share } in queued {
            let (outcome, change) = self.apply(command, &snapshot, &mut plan, now);
            outcomes.push((outcome, share));
            log.extend(change.and_then(LogLine::of));
        }
        let is_stored = plan.is_empty() || self.commit(snapshot, &plan).await;
        for (outcome, share) in outcomes {
            drop(share);
            outcome.answer(is_stored);
        }
        if is_stored {
            log.into_iter().for_each(LogLine::write);
        }
    }

    fn apply(
        &self,
        command: Command,
        snapshot: &Snapshot,
        plan: &mut Plan,
        now: Now,
    ) -> (Outcome, Option<Change>) {
        match command {
            Command::Record { report, answer } => {
                match plan.record(snapshot, report, now, &self.capacity) {
                    Ok(change) => (Outcome::Recorded(answer, Ok(change.omitted)), Some(change)),
                    Err(full) => (Outcome::Recorded(answer, Err(Refusal::Full(full))), None),
                }
            }
            Command::Remove { key, answer } => match plan.remove(snapshot, key.borrow(), now) {
                Some(change) => (Outcome::Removed(answer, Removal::Removed), Some(change)),
                None => (Outcome::Removed(answer, Removal::NotFound), None),
            },
        }
    }

    /// Commits a batch that was made for the published snapshot, and publishes what it makes of it.
    async fn commit(&mut self, snapshot: Arc<Snapshot>, plan: &Plan) -> bool {
        let (expected, jumps) = (snapshot.revision(), self.jumps);
        // While this handle exists the snapshot cannot be changed in place.
        drop(snapshot);
        let store = Arc::clone(&self.store);
        let began = self.clock.monotonic();
        // No store asks for it yet.
        let id = CommitId(0);
        let outcome = self.meanwhile(store.commit(expected, id, plan)).await;
        let outcome = outcome.map(|Committed { revision: _, missed: _ }| ());
        let took = self.clock.monotonic().saturating_sub(began);
        self.metrics.note(plan, outcome.is_ok(), took);
        self.note_outcome(&outcome);
        if outcome.is_err() {
            self.is_in_doubt = true;
            self.catch_up().await;
            return false;
        }
        let now = self.now();
        let has_jumped = self.jumps != jumps;
        self.shared.change(|snapshot| {
            snapshot.accept(plan, expected.next());
            if has_jumped {
                snapshot.reschedule(now);
            } else {
                snapshot.advance(now);
            }
        });
        true
    }

    /// Lets the time pass: marks, what follows from them, and a look at the store.
    async fn pass_time(&mut self) {
        self.follow_the_clock();
        self.ticks_seen = self.ticks_seen.wrapping_add(1);
        if self.ticks_seen.is_multiple_of(TICKS_A_CHECK) {
            self.check_store().await;
        }
        self.settle().await;
        self.tend_store().await;
        let now = self.now();
        self.pruner.begin_if_due(now, self.clock.read().monotonic);
    }

    /// Publishes some of the marks that the clock says by now. This needs no store.
    fn follow_the_clock(&mut self) {
        let now = self.now();
        if self.shared.snapshot().has_deadlines_due(now) {
            self.publish_with(|snapshot| snapshot.advance(now));
        }
        self.has_more_to_mark = self.shared.snapshot().has_deadlines_due(now);
    }

    /// Stores what the marks say for good, for some entries.
    async fn settle(&mut self) {
        self.has_more_to_settle = false;
        let now = self.now();
        let snapshot = self.shared.snapshot();
        let unsettled = snapshot.unsettled(now, SETTLED_AT_ONCE);
        if unsettled.is_empty() || !self.is_storing() {
            return;
        }
        let mut plan = Plan::default();
        let changes = unsettled.iter().map(|standing| plan.settle(&snapshot, standing));
        let log: Vec<LogLine> = changes.filter_map(LogLine::of).collect();
        if self.commit(snapshot, &plan).await {
            log.into_iter().for_each(LogLine::write);
            self.has_more_to_settle = unsettled.len() == SETTLED_AT_ONCE;
        }
    }

    /// Deletes some of what the history has too much of, if the clock can still be believed.
    async fn prune(&mut self, found: Vec<TransitionId>) {
        if self.now().steady_for < SETTLING_TIME || !self.is_storing() {
            self.pruner.give_up();
            return;
        }
        let store = Arc::clone(&self.store);
        if let Err(error) = self.meanwhile(store.prune(&found)).await {
            log::warn!("The history could not be pruned, which is tried again later: {error}");
            self.pruner.give_up();
        }
    }

    /// Keeps the store small.
    async fn tend_store(&mut self) {
        if self.is_storing() {
            let store = Arc::clone(&self.store);
            let has_time = self.upkeep.has_time(self.commands.is_empty());
            let outcome = self.meanwhile(store.tend(has_time)).await;
            self.upkeep.note(outcome);
        }
    }

    /// Finds out whether the store works, without waiting for an update to fail.
    async fn check_store(&mut self) {
        let store = Arc::clone(&self.store);
        if self.look.is_none() {
            let store = Arc::clone(&store);
            self.look = Some(Box::pin(async move { store.usage().await }));
        } else {
            // What cannot be told for a second is not known any more.
            self.shared.note_usage(Usage::default());
        }
        if self.is_storing() {
            if let Err(error) = self.meanwhile(store.check()).await {
                self.note_outcome(&Err(CommitError::Unknown(error)));
            }
        } else if !self.is_in_doubt || self.catch_up().await {
            self.commit(self.shared.snapshot(), &Plan::default()).await;
        }
    }

    /// Learns what a commit of unknown outcome came to. Returns whether it is known now.
    async fn catch_up(&mut self) -> bool {
        let published = self.shared.snapshot();
        let store = Arc::clone(&self.store);
        match self.meanwhile(store.changes_since(published.revision())).await {
            Ok(Some(changes)) if changes.revision == published.revision() => {}
            Ok(Some(changes)) => {
                let now = self.now();
                self.publish_with(|snapshot| snapshot.adopt(changes, now));
            }
            Ok(None) => match self.meanwhile(store.load()).await {
                Ok(Loaded { store_id: _, revision, entries }) => {
                    let now = self.now();
                    let snapshot = Snapshot::load(*published.policy(), revision, entries, now);
                    self.shared.replace(snapshot);
                }
                Err(_) => return false,
            },
            Err(_) => return false,
        }
        self.is_in_doubt = false;
        true
    }

    /// Waits for the store. Answers keep following the clock meanwhile, however long it takes.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        let mut waited = 0_u32;
        loop {
            tokio::select! {
                biased;
                outcome = &mut work => return outcome,
                _ = self.ticks.tick() => waited = waited.saturating_add(1),
                () = std::future::ready(()), if self.has_more_to_mark => {}
            }
            self.follow_the_clock();
            if waited == TICKS_OF_PATIENCE {
                // What was looked at may be long ago.
                self.shared.note_usage(Usage::default());
                if self.is_storing() {
                    let silence = StoreError::Silent(TICK * waited);
                    self.note_outcome(&Err(CommitError::Unknown(silence)));
                }
            }
        }
    }

    fn publish_with(&self, change: impl FnOnce(&mut Snapshot)) {
        let mut next = Snapshot::clone(&self.shared.snapshot());
        change(&mut next);
        self.shared.replace(next);
    }

    fn note_outcome(&self, outcome: &Result<(), CommitError>) {
        let was_storing = self.shared.is_storing.swap(outcome.is_ok(), Ordering::Relaxed);
        match outcome {
            Ok(()) if !was_storing => log::info!("Updates can be stored again"),
            Err(error) if was_storing => log::error!("Updates cannot be stored: {error}"),
            Err(error) => log::debug!("Updates still cannot be stored: {error}"),
            Ok(()) => {}
        }
    }

    fn is_storing(&self) -> bool {
        self.shared.is_storing.load(Ordering::Relaxed)
    }

    /// Looks at the clock. If it has jumped, the published snapshot follows it at once.
    fn now(&mut self) -> Now {
        let (now, jumped) = self.steadiness.observe(self.clock.read());
        if jumped {
            log::warn!("The clock was set to {}: what looks expired is kept for a while", now.at);
            self.jumps += 1;
            self.publish_with(|snapshot| snapshot.reschedule(now));
        }
        now
    }
}
