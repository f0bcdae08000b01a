//! What a store tells before a board can begin.

use super::replicas::{Met, Replicas, is_beside_others};
use crate::clock::Clock;
use crate::domain::{Now, Outages};
use crate::store::{Loaded, Presence, Replica, Store, StoreError, Usage};

/// The beginning of a replica.
#[derive(Debug)]
pub struct Start {
    /// All that is stored.
    pub loaded: Loaded,
    pub(super) usage: Usage,
    me: Replica,
    /// The first meeting with other replicas.
    met: Option<Met>,
}

impl Start {
    /// Says that a replica begins, and loads what is stored.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn of(store: &dyn Store, me: Replica, clock: &dyn Clock) -> Result<Self, StoreError> {
        // First of all: of two replicas that start together, one has to know of the other.
        let presence = Presence { replica: &me, ran_for: None, may_lead: true };
        let met = Met::with_others(store, presence, clock).await?;
        let loaded = store.load().await?;
        Ok(Self { loaded, usage: store.usage().await, me, met })
    }

    /// Returns the outages that count from now on. A replica that starts beside others ends none.
    pub(super) fn outages(&self, now: Now) -> Outages {
        let Loaded { entries, outages: noted, .. } = &self.loaded;
        let updates = entries.iter().map(|entry| entry.updated_at);
        let before = || Outages::before(now.at, noted.clone(), updates);
        match &self.met {
            None => before(),
            Some(met) if is_beside_others(&met.meeting) => {
                Outages::NONE.learned(noted, met.ran_since(), now)
            }
            // One that could not be heard says later that it ran all the time.
            Some(_) => before().learned(noted, None, now),
        }
    }

    pub(super) fn into_parts(self) -> (Loaded, Usage, Replicas) {
        let Self { loaded, usage, me, met } = self;
        (loaded, usage, Replicas::new(me, met))
    }
}
