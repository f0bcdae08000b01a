//! How many connections may be open, and how long clients may hold them.

use std::time::Duration;

/// One in how many connections may be accepted before another has been closed for it.
const OVERLAP: usize = 16;

/// How many connections may be open, and how long clients may hold them.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// The setting of the port, for the log.
    pub port: &'static str,
    /// Of all addresses.
    pub total: usize,
    /// Of one address, or of one IPv6 network of 64 bits; `None` is any number.
    pub per_address: Option<usize>,
    /// How long a new connection may take to send its first request before it may be closed for
    /// another.
    pub first_request: Duration,
    /// How long a client may read nothing of an answer before its connection is closed.
    pub untaken: Duration,
}

impl ConnectionLimits {
    /// Returns how many connections there are at once, with those that are accepted before others
    /// have been closed.
    #[must_use]
    pub fn most_at_once(&self) -> usize {
        self.total + (self.total / OVERLAP).max(1)
    }

    /// Returns the total that has at most this many at once, but at least one.
    #[must_use]
    pub fn total_within(at_once: usize) -> usize {
        (at_once - at_once.div_ceil(OVERLAP + 1)).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_that_come_in_while_others_leave_are_within_what_there_is() {
        for at_once in 2..10_000 {
            let total = ConnectionLimits::total_within(at_once);
            let limits = ConnectionLimits {
                port: "listen",
                total,
                per_address: None,
                first_request: Duration::ZERO,
                untaken: Duration::ZERO,
            };
            assert!(limits.most_at_once() > total && limits.most_at_once() <= at_once);
            assert!(limits.most_at_once() + 2 > at_once, "{at_once}");
        }
    }
}
