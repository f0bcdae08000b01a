//! The fleet's present: its reports, at their times, to a running server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::client::Client;
use super::fleet::Fleet;
use super::pace::{MINUTE, Pace};
use crate::clock::{Clock, Reading};

/// The time between two sendings of the reports that are due.
const TICK: Duration = Duration::from_millis(200);

/// How much of the fleet's time is lived at once. After a suspension of hours, all of it would be
/// millions of reports.
const MOST_AT_ONCE: i64 = 10 * MINUTE;

/// A fleet that reports to a server.
pub struct Life {
    fleet: Fleet,
    pace: Pace,
    clock: Arc<dyn Clock>,
    /// The clock at the start of the pace.
    began: Reading,
    client: Client,
}

impl Life {
    /// Lets a fleet report to the server at an address, from the start of its pace on, when the clock
    /// showed `began`.
    #[must_use]
    pub fn new(
        fleet: Fleet,
        pace: Pace,
        clock: Arc<dyn Clock>,
        began: Reading,
        server: SocketAddr,
    ) -> Self {
        Self { fleet, pace, clock, began, client: Client::new(server) }
    }

    /// Reports until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut lived, mut was_well) = (0, true);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let Reading { wall, monotonic } = self.clock.read();
            let passed = monotonic.saturating_sub(self.began.monotonic);
            let until = self.pace.lived_in(passed);
            // The wall clock may have been set, or the machine may have slept.
            let pace = self.pace.starting_at(wall.minus(passed));
            let from = lived.max(until.saturating_sub(MOST_AT_ONCE));
            // Nothing else would take out what is listed of a server that no longer exists.
            let mut acts = self.fleet.removals(lived, from, &pace);
            acts.extend(self.fleet.acts(from, until, &pace));
            let failure = self.client.ask(&acts).await;
            lived = until;
            let is_well = failure.is_none();
            if let Some(reason) = failure
                && was_well
                && !stop.is_cancelled()
            {
                log::warn!("Reports of the demo's fleet are lost: {reason}");
            }
            was_well = is_well;
        }
    }
}
