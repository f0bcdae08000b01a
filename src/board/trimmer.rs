//! The trimmer: lets the store forget what replicas have told each other and none needs any more.
//!
//! Nobody waits for it: beside a long transaction of another program it may take long.

use std::time::Duration;

use tokio::time::sleep;

use super::shared::Shared;

/// The time from one trim to the next, if there is nothing more to delete.
const PERIOD: Duration = Duration::from_secs(10);
/// The time to the next one if there is more: as much as a fast primary commits meanwhile can be deleted.
const PAUSE: Duration = Duration::from_millis(250);
/// The time to the next one after an error.
const AGAIN: Duration = Duration::from_mins(1);

/// Trims for as long as this replica runs, whenever it may.
pub(super) struct Trimmer(Shared);

impl Trimmer {
    pub(super) fn new(shared: Shared) -> Self {
        Self(shared)
    }

    pub(super) async fn run(&self) {
        let mut has_failed = false;
        let mut pause = PERIOD;
        loop {
            sleep(pause).await;
            pause = PERIOD;
            let Shared { published, store, replicas } = &self.0;
            if !published.is_storing() || !replicas.may_trim() {
                continue;
            }
            match store.trim().await {
                Ok(has_more) => {
                    has_failed = false;
                    pause = if has_more { PAUSE } else { PERIOD };
                }
                Err(error) => {
                    if !has_failed {
                        log::warn!("Old commits could not be deleted; will retry: {error}");
                    }
                    (has_failed, pause) = (true, AGAIN);
                }
            }
        }
    }
}
