//! The follower: reads what other replicas have committed, and says that this one runs.
//!
//! It asks beside the writer, which adopts what was found between two batches, so that neither waits
//! for the other. It changes nothing itself.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::replicas::Met;
use super::shared::Shared;
use super::trimmer::Trimmer;
use crate::clock::Clock;
use crate::domain::{Changes, Head};
use crate::store::StoreError;

/// The time from one meeting to the next.
const MEETING: Duration = Duration::from_secs(1);
/// After how long a question counts as failed that has no answer yet.
const PATIENCE: Duration = Duration::from_secs(2);

/// What others have committed.
#[derive(Debug)]
pub(super) struct Found {
    /// The last commit that was known when the store was asked.
    pub(super) since: Head,
    /// What has changed; `None` if the store cannot tell, so that it has to be loaded.
    pub(super) changes: Option<Changes>,
}

/// Follows the other replicas for as long as the application runs.
pub struct Follower {
    shared: Shared,
    clock: Arc<dyn Clock>,
    found: Sender<Found>,
}

impl Follower {
    pub(super) fn new(shared: Shared, clock: Arc<dyn Clock>, found: Sender<Found>) -> Self {
        Self { shared, clock, found }
    }

    /// Runs until `stop`. A question that is asked then is still answered.
    pub async fn run(self, stop: CancellationToken) {
        let Some(period) = self.shared.store.poll_every() else {
            stop.cancelled().await;
            return;
        };
        // Both go on while one of them waits for the store.
        let trimmer = Trimmer::new(self.shared.clone());
        join(self.follow(period, &stop), stop.run_until_cancelled(trimmer.run())).await;
    }

    async fn follow(&self, period: Duration, stop: &CancellationToken) {
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut meets_at = Instant::now() + MEETING;
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            self.poll().await;
            if Instant::now() >= meets_at {
                meets_at = Instant::now() + MEETING;
                self.meet().await;
            }
        }
    }

    /// Asks what others have committed since the published snapshot.
    async fn poll(&self) {
        let Shared { published, store, replicas } = &self.shared;
        let since = published.head();
        match self.patiently(store.changes_since(since)).await {
            Ok(changes) => {
                if changes.is_some() {
                    replicas.note_following(Ok(()));
                }
                if changes.as_ref().is_none_or(|changes| changes.head != since) {
                    // While the writer has not taken what was found before, this is found again.
                    self.found.try_send(Found { since, changes }).ok();
                }
            }
            Err(error) => replicas.note_following(Err(&error)),
        }
    }

    /// Waits for an answer. If there is none for long, the others count as not heard meanwhile.
    async fn patiently<T>(&self, answer: impl Future<Output = T>) -> T {
        tokio::pin!(answer);
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => return answer,
                () = sleep(PATIENCE) => {
                    self.shared.replicas.note_following(Err(&StoreError::Silent(PATIENCE)));
                }
            }
        }
    }

    /// Says that this replica runs.
    async fn meet(&self) {
        let Shared { published, store, replicas } = &self.shared;
        let presence = replicas.presence(published.is_storing());
        match Met::with_others(&**store, presence, &*self.clock).await {
            Ok(Some(met)) => replicas.note_meeting(met),
            Ok(None) => {}
            Err(error) => log::debug!("The other replicas could not be met: {error}"),
        }
    }
}
