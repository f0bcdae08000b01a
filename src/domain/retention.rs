//! How much history is kept, and the rules that find what to delete.

use std::time::Duration;

use super::{Cursor, Key, Timestamp};

/// The limits on the history; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Retention {
    /// The maximum age of a transition.
    pub age: Option<Duration>,
    /// The maximum number of transitions of an entry.
    pub rows_per_entry: Option<usize>,
    /// The maximum size on disk in bytes, including indexes.
    pub bytes: Option<u64>,
}

impl Retention {
    /// Returns the rules that find what exceeds the limits now.
    #[must_use]
    pub fn rules(&self, now: Timestamp) -> Vec<PruneRule> {
        let Self { age, rows_per_entry, bytes } = *self;
        let older = |age| PruneRule::Older { than: now.minus(age), after: Cursor::START };
        let beyond = |newest| PruneRule::Beyond { newest, after: None };
        let larger = |than| PruneRule::Larger { than };
        let rules = [age.map(older), rows_per_entry.map(beyond), bytes.map(larger)];
        rules.into_iter().flatten().collect()
    }
}

/// Which transitions to delete, and how far the search for them has come.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PruneRule {
    /// Those before a moment. The last one of each entry before it stays, since it says in which
    /// condition the entry was from then on, unless it is the entry's end.
    Older {
        /// The moment.
        than: Timestamp,
        /// The search has looked at everything up to here.
        after: Cursor,
    },
    /// Those of an entry that are not among its newest.
    Beyond {
        /// How many to keep.
        newest: usize,
        /// The search has looked at every key up to here.
        after: Option<Key>,
    },
    /// The oldest of all, until the history is within its maximum size.
    Larger {
        /// The maximum size in bytes.
        than: u64,
    },
}

/// The identifier of a transition in its store.
pub type TransitionId = i64;

/// Some of the transitions to delete.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Prunable {
    /// The transitions: few enough to delete without delaying updates.
    pub found: Vec<TransitionId>,
    /// Where the search continues; `None` if it has ended.
    pub next: Option<PruneRule>,
}
