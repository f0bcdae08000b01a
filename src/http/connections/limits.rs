//! How many connections may be open.

/// One in how many connections may be accepted before another has been closed for it.
const OVERLAP: usize = 16;

/// How many connections may be open.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// The setting of the port, for the log.
    pub port: &'static str,
    /// Of all addresses.
    pub total: usize,
    /// Of one address, or of one IPv6 network of 64 bits; `None` is any number.
    pub per_address: Option<usize>,
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
            let limits = ConnectionLimits { port: "listen", total, per_address: None };
            assert!(limits.most_at_once() > total && limits.most_at_once() <= at_once);
            assert!(limits.most_at_once() + 2 > at_once, "{at_once}");
        }
    }
}
