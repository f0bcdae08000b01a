//! Upkeep: looks at the store's space, and lets it keep itself small while there is time.

use std::sync::Arc;

use super::errands::{Awaited, Errands};
use super::replicas::NotedOutages;
use super::shared::Shared;
use super::timekeeper::Timekeeper;
use crate::domain::Outage;
use crate::store::Usage;

/// Every how many ticks the store is looked at.
const TICKS_A_LOOK: u32 = 4;
/// For how many ticks no time is taken after a failure: a minute. What fails for want of space
/// should not be tried again and again.
const PAUSE: u32 = 240;

/// Counts ticks, and does what is due at each.
pub(super) struct Upkeep {
    shared: Shared,
    errands: Errands,
    ticks: u32,
    /// How many ticks the pause after a failure lasts yet.
    pause: u32,
    /// The measurement of space that is under way.
    look: Option<Awaited<Usage>>,
    /// The outages that the store knows.
    noted: Vec<Outage>,
}

impl Upkeep {
    pub(super) fn new(shared: Shared, errands: Errands, noted: Vec<Outage>) -> Self {
        Self { shared, errands, ticks: 0, pause: 0, look: None, noted }
    }

    /// Counts a tick. Returns whether the store should be looked at, and begins to measure its space
    /// if so.
    pub(super) fn is_look_due(&mut self) -> bool {
        self.ticks = self.ticks.wrapping_add(1);
        let is_due = self.ticks.is_multiple_of(TICKS_A_LOOK);
        if is_due && self.look.is_none() {
            let store = Arc::clone(&self.shared.store);
            self.look = Some(self.errands.begin(async move { store.usage().await }));
        } else if is_due {
            // What the store cannot tell within a second is not known any more.
            self.shared.published.note_usage(Usage::default());
        }
        is_due
    }

    /// Publishes the measurement that is under way, if there is one, once it is done.
    ///
    /// Dropping the future loses nothing.
    pub(super) async fn publish_usage(&mut self) {
        match &mut self.look {
            Some(look) => {
                let usage = look.await.unwrap_or_default();
                self.look = None;
                self.shared.published.note_usage(usage);
            }
            None => std::future::pending().await,
        }
    }

    /// Lets the store keep itself small: at each tick, and with more effort if nothing waits. One of
    /// several replicas does so for all.
    pub(super) async fn tend(&mut self, is_idle: bool, time: &mut Timekeeper) {
        if !self.shared.published.is_storing() {
            return;
        }
        self.note_outages(time).await;
        self.correct_restore(time).await;
        let has_time = is_idle && self.pause == 0;
        self.pause = self.pause.saturating_sub(1);
        if !self.shared.replicas.leads() {
            return;
        }
        if let Err(error) = time.meanwhile(self.shared.store.tend(has_time)).await {
            if self.pause == 0 {
                log::warn!("Could not shrink the database; will retry: {error}");
            }
            self.pause = PAUSE;
        }
    }

    /// Takes over the outages that replicas have noted, so that all show the same as stale.
    pub(super) fn learn_outages(&mut self, time: &mut Timekeeper) {
        let Some(NotedOutages { noted, ran_since }) = self.shared.replicas.take_outages() else {
            return;
        };
        let now = time.now();
        let known = Arc::clone(self.shared.published.snapshot().policy());
        let outages = known.outages.learned(&noted, ran_since, now);
        if outages != known.outages {
            self.shared.published.change_copy(|snapshot| snapshot.count_outages(outages, now));
        }
        self.noted = noted;
    }

    /// Notes for later starts the outages that the store does not know: once after a start, and again
    /// after the clock was set.
    pub(super) async fn note_outages(&mut self, time: &mut Timekeeper) {
        let snapshot = self.shared.published.snapshot();
        let kept = snapshot.policy().outages.kept();
        if self.pause > 0 || kept == self.noted {
            return;
        }
        match time.meanwhile(self.shared.store.note_outages(kept, &self.noted)).await {
            Ok(()) => self.noted = kept.to_vec(),
            Err(error) => {
                log::warn!("The last outage could not be stored; will retry: {error}");
                self.pause = PAUSE;
            }
        }
    }

    /// Corrects the moment of a restore by a clock that was ahead, as soon as the clock is believed:
    /// else a time to live would begin with each start, and what is silent would never expire.
    async fn correct_restore(&mut self, time: &mut Timekeeper) {
        if self.pause > 0 {
            return;
        }
        let (now, snapshot) = (time.now(), self.shared.published.snapshot());
        let noted = snapshot.policy().restored_at;
        let Some(wrong) = noted.filter(|at| now.has_settled() && !now.has_reached(*at)) else {
            return;
        };
        // If updates are from the future too, the clock is behind, and the restore was by a right one.
        if !self.shared.replicas.may_settle() || !snapshot.has_no_future(now) {
            return;
        }
        // Since then it has counted as restored: see `Policy::deadlines`.
        let at = time.started_at(now);
        match time.meanwhile(self.shared.store.note_restore(at, wrong)).await {
            Ok(noted) => {
                let noted = noted.unwrap_or(at);
                log::warn!("The restore was noted as of {wrong}, in the future: now as of {noted}");
                let now = time.now();
                self.shared.published.change_copy(|snapshot| snapshot.count_restore(noted, now));
            }
            Err(error) => {
                log::warn!("The moment of the restore could not be corrected; will retry: {error}");
                self.pause = PAUSE;
            }
        }
    }

    pub(super) async fn close(self) {
        self.shared.store.close().await;
    }
}
