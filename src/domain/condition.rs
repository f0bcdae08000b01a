//! The conditions in which a timeline shows an entry.

/// The condition of an entry over some time, from the best to the worst.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Condition {
    /// There was no entry.
    Ended,
    /// The server had what the repository says.
    Synced,
    /// The reporter was silent, whatever it had reported last.
    Stale,
    /// The server differed from the repository.
    OutOfSync,
}

impl Condition {
    /// All conditions, from the best to the worst.
    pub const ALL: [Self; 4] = [Self::Ended, Self::Synced, Self::Stale, Self::OutOfSync];

    /// The number of the API: 0 synced, 1 out of sync, 2 stale, `None` if there is no entry.
    #[must_use]
    pub const fn code(self) -> Option<u8> {
        match self {
            Self::Ended => None,
            Self::Synced => Some(0),
            Self::OutOfSync => Some(1),
            Self::Stale => Some(2),
        }
    }
}
