//! How often each token was used, and what came of it.

use std::sync::atomic::{AtomicU64, Ordering};

/// What came of a request with a known token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Use {
    /// It was let in.
    Allowed,
    /// The token lacks a right, or the right does not cover the names.
    Forbidden,
    /// The secret is not that of the token.
    WrongSecret,
    /// The token is no longer valid.
    Expired,
}

impl Use {
    /// Everything that can come of a request.
    pub const ALL: [Self; 4] = [Self::Allowed, Self::Forbidden, Self::WrongSecret, Self::Expired];

    /// Returns the word of the metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Forbidden => "forbidden",
            Self::WrongSecret => "wrong_secret",
            Self::Expired => "expired",
        }
    }
}

/// Counts requests with one token. To count takes no lock.
#[derive(Debug, Default)]
pub struct Uses {
    allowed: AtomicU64,
    forbidden: AtomicU64,
    wrong_secret: AtomicU64,
    expired: AtomicU64,
}

impl Uses {
    /// Returns how many requests came to this.
    #[must_use]
    pub fn count(&self, what: Use) -> u64 {
        self.counter(what).load(Ordering::Relaxed)
    }

    pub(super) fn note(&self, what: Use) {
        self.counter(what).fetch_add(1, Ordering::Relaxed);
    }

    fn counter(&self, what: Use) -> &AtomicU64 {
        match what {
            Use::Allowed => &self.allowed,
            Use::Forbidden => &self.forbidden,
            Use::WrongSecret => &self.wrong_secret,
            Use::Expired => &self.expired,
        }
    }
}
