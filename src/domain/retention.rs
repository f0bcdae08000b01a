//! How long the history is kept, and the searches for what has to go.

use std::time::Duration;

use super::{Cursor, Key, Timestamp};

/// What the history may hold; `None` is any amount.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Retention {
    /// How old a transition may be.
    pub age: Option<Duration>,
    /// How many transitions an entry may have.
    pub rows_per_entry: Option<usize>,
    /// How many bytes they may take on disk, indexes and all.
    pub bytes: Option<u64>,
}

impl Retention {
    /// Returns the searches for what is too much now.
    #[must_use]
    pub fn searches(&self, now: Timestamp) -> Vec<PruneRule> {
        let Self { age, rows_per_entry, bytes } = *self;
        let older = |age| PruneRule::Older { than: now.minus(age), after: Cursor::START };
        let beyond = |newest| PruneRule::Beyond { newest, after: None };
        let larger = |than| PruneRule::Larger { than };
        let searches = [age.map(older), rows_per_entry.map(beyond), bytes.map(larger)];
        searches.into_iter().flatten().collect()
    }
}

/// Which transitions are too much, and how far the search for them has come.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PruneRule {
    /// Those before a moment. The last one of each entry before it stays, since it says how the
    /// entry stood from then on; unless it is the entry's end, which leaves nothing to tell.
    Older {
        /// The moment.
        than: Timestamp,
        /// Up to here, all have been looked at.
        after: Cursor,
    },
    /// Those of an entry that are not among its newest.
    Beyond {
        /// How many stay.
        newest: usize,
        /// Up to here, in the order of the pairs, all have been looked at.
        after: Option<Key>,
    },
    /// The oldest of all, as many as make the history larger than it may be.
    Larger {
        /// How many bytes may stay.
        than: u64,
    },
}

/// Names a transition in its store.
pub type TransitionId = i64;

/// Some of the transitions that are too much.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Prunable {
    /// Those that were found: few enough to be deleted without holding anything up.
    pub found: Vec<TransitionId>,
    /// How to find more; `None` if there are no more.
    pub next: Option<PruneRule>,
}
