//! The open connections, and those that the program has ended.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::total::Total;

type Number = Gauge<u64, AtomicU64>;

/// Why the program ends a connection whose client did not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Closing {
    /// Another one needed its place.
    Full,
    /// Its address has too many.
    Address,
    /// Nothing was asked on it for the idle timeout.
    Idle,
    /// A request or its answer has made no progress for the idle timeout.
    Stalled,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ReasonLabels {
    reason: &'static str,
}

/// Counts connections; clones count into the same counters.
#[derive(Clone, Debug)]
pub struct ConnectionCounts {
    open: Number,
    capacity: Number,
    full: Total,
    address: Total,
    idle: Total,
    stalled: Total,
}

impl ConnectionCounts {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let reasons = Family::<ReasonLabels, Total>::default();
        let reason = |reason| reasons.get_or_create_owned(&ReasonLabels { reason });
        let counts = Self {
            open: Number::default(),
            capacity: Number::default(),
            full: reason("full"),
            address: reason("address"),
            idle: reason("idle"),
            stalled: reason("stalled"),
        };
        registry.register("gitops_status_connections", "Open connections", counts.open.clone());
        registry.register(
            "gitops_status_connections_capacity",
            "Connections that may be open before the one that has been idle longest is closed",
            counts.capacity.clone(),
        );
        registry.register(
            "gitops_status_connections_closed_total",
            "Connections that the program closed by itself, by the reason",
            reasons,
        );
        counts
    }

    /// Says how many connections may be open.
    pub fn set_capacity(&self, connections: usize) {
        self.capacity.set(connections as u64);
    }

    /// Says how many connections are open.
    pub fn set_open(&self, connections: usize) {
        self.open.set(connections as u64);
    }

    /// Counts a connection that the program ends.
    pub fn note_closing(&self, reason: Closing) {
        let counter = match reason {
            Closing::Full => &self.full,
            Closing::Address => &self.address,
            Closing::Idle => &self.idle,
            Closing::Stalled => &self.stalled,
        };
        counter.add(1);
    }
}
