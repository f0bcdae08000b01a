//! Open connections, and connections that the program has closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::instruments::Breakdown;
use super::text::Text;

/// Why the program closes a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Closing {
    /// A new connection needs its place.
    Full,
    /// Its address has too many.
    Address,
    /// It had no request for the idle timeout.
    Idle,
    /// Its request or answer has made no progress for the idle timeout.
    Stalled,
}

/// Counts connections; clones are the same counters.
#[derive(Clone, Debug)]
pub struct ConnectionCounts {
    open: Arc<AtomicUsize>,
    capacity: Arc<AtomicUsize>,
    closed: Breakdown,
}

impl Default for ConnectionCounts {
    fn default() -> Self {
        let closed = Breakdown::new(&["full", "address", "idle", "stalled"]);
        Self { open: Arc::default(), capacity: Arc::default(), closed }
    }
}

impl ConnectionCounts {
    /// Sets how many connections may be open.
    pub fn set_capacity(&self, connections: usize) {
        self.capacity.store(connections, Ordering::Relaxed);
    }

    /// Sets how many connections are open.
    pub fn set_open(&self, connections: usize) {
        self.open.store(connections, Ordering::Relaxed);
    }

    /// Counts a connection that the program closes.
    pub fn note_closing(&self, reason: Closing) {
        self.closed.note(match reason {
            Closing::Full => "full",
            Closing::Address => "address",
            Closing::Idle => "idle",
            Closing::Stalled => "stalled",
        });
    }

    pub(super) fn write(&self, text: &mut Text) {
        let Self { open, capacity, closed } = self;
        text.gauge("gitops_status_connections", "Open connections", open.load(Ordering::Relaxed));
        text.gauge(
            "gitops_status_connections_capacity",
            "Connections that may be open before the one that has been idle longest is closed",
            capacity.load(Ordering::Relaxed),
        );
        text.breakdown(
            "gitops_status_connections_closed_total",
            "Connections that the program closed by itself, by the reason",
            "reason",
            closed,
        );
    }
}
