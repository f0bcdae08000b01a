//! What handlers work with: the parts of the server and its limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::bodies::Bodies;
use super::sending::Sending;
use super::whole_list::WholeLists;
use super::work::Work;
use crate::board::Board;
use crate::clock::Clock;
use crate::metrics::Metrics;

/// What every handler may use.
pub struct Services {
    /// Takes updates and shows the state.
    pub board: Board,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// The list of everything, made once for all who ask for it at the same time.
    pub whole_lists: WholeLists,
    /// Where the work of reads is done.
    pub work: Work,
    /// The bodies that are being received.
    pub bodies: Bodies,
    /// What answers share that are rendered as they are sent.
    pub sending: Sending,
    /// What requests may ask of the server.
    pub limits: Limits,
    /// Whether the server has been told to stop.
    pub stopping: Stopping,
    /// Counts what is done.
    pub metrics: Arc<Metrics>,
}

/// What requests may ask of the server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest body, inflated, in bytes.
    pub max_body_bytes: usize,
    /// How long a client may take to send a body.
    pub request_timeout: Duration,
    /// How many streams of changes may be open at once.
    pub max_event_streams: usize,
    /// How long a stream of changes may be silent.
    pub keep_alive: Duration,
}

/// Whether the server has been told to stop; clones are views of the same fact.
#[derive(Clone, Debug, Default)]
pub struct Stopping(Arc<AtomicBool>);

impl Stopping {
    /// Says that it has.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it has.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
