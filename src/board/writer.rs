//! The writer: the one task that changes the snapshot, batch by batch.
//!
//! A batch is whatever has queued up while the last one was committed (group commit): nothing waits
//! for company, and many requests share one sync of the disk.

use std::future::ready;

use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

use super::committer::Committer;
use super::errands::Underway;
use super::follower::Found;
use super::pruner::Pruner;
use super::queue::Requests;
use super::timekeeper::Timekeeper;
use super::upkeep::Upkeep;

/// Changes the snapshot, and does errands meanwhile.
pub struct Writer {
    turns: Turns,
    errands: Underway,
}

/// Decides what is done next.
struct Turns {
    requests: Requests,
    time: Timekeeper,
    committer: Committer,
    upkeep: Upkeep,
    pruner: Pruner,
    told: Receiver<Found>,
    has_more_to_settle: bool,
}

impl Writer {
    pub(super) fn new(
        requests: Requests,
        time: Timekeeper,
        committer: Committer,
        (upkeep, pruner): (Upkeep, Pruner),
        errands: Underway,
        told: Receiver<Found>,
    ) -> Self {
        let has_more_to_settle = false;
        let turns = Turns { requests, time, committer, upkeep, pruner, told, has_more_to_settle };
        Self { turns, errands }
    }

    /// Runs until `stop`, then finishes what has been queued and closes the store.
    pub async fn run(self, stop: CancellationToken) {
        let Self { mut turns, mut errands } = self;
        tokio::select! {
            biased;
            () = errands.run() => {}
            () = turns.take(stop) => {}
        }
        // What reads must end first: closing the store waits for it.
        drop(errands);
        turns.upkeep.close().await;
    }
}

impl Turns {
    /// Takes turns until `stop`, and until what has been queued is stored.
    async fn take(&mut self, stop: CancellationToken) {
        // Before any update, since these begin what a later start takes for the next outage.
        self.upkeep.note_outages(&mut self.time).await;
        // Batches alternate with other work that is due. An unbiased `select!` would now and then
        // let a waiting request see a dozen other things go first.
        let mut requests_go_first = true;
        loop {
            let mut were_requests = false;
            tokio::select! {
                biased;
                () = stop.cancelled(), if !self.requests.is_closed() => self.requests.close(),
                () = self.time.tick() => self.pass_time().await,
                is_open = self.requests.ready(), if requests_go_first => {
                    if !is_open {
                        return;
                    }
                    self.store_batch().await;
                    were_requests = true;
                }
                Some(found) = self.told.recv() => {
                    self.committer.follow(found, &mut self.time).await;
                }
                () = ready(()), if self.time.has_deadlines_due() => self.time.follow_the_clock(),
                () = ready(()), if self.has_more_to_settle => self.settle().await,
                () = self.upkeep.publish_usage() => {}
                found = self.pruner.find() => self.pruner.delete(&found, &mut self.time).await,
                () = ready(()), if !requests_go_first => {}
            }
            requests_go_first = !were_requests;
        }
    }

    async fn store_batch(&mut self) {
        let answers = self.committer.store(&self.requests.choose(), &mut self.time).await;
        self.requests.answer(answers);
        self.committer.write_log();
        let apart = self.requests.unanswered();
        if !apart.is_empty() {
            let answers = self.committer.store_apart(&apart, &mut self.time).await;
            self.requests.answer(answers);
            self.committer.write_log();
        }
    }

    /// Does what is due at a tick.
    async fn pass_time(&mut self) {
        self.time.follow_the_clock();
        self.upkeep.learn_outages(&mut self.time);
        if self.upkeep.is_look_due() {
            self.committer.check(&mut self.time).await;
        }
        self.settle().await;
        self.upkeep.tend(self.requests.is_empty(), &mut self.time).await;
        let now = self.time.now();
        self.pruner.begin_if_due(now, self.time.monotonic());
    }

    async fn settle(&mut self) {
        self.has_more_to_settle = self.committer.settle(&mut self.time).await;
        self.committer.write_log();
    }
}
