//! A batch: the changes that one commit makes durable together.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::{Change, Entry, Key, Transition};

/// What a commit does to one row.
#[derive(Clone, Debug)]
pub enum RowChange {
    /// The row is now this.
    Put(Arc<Entry>),
    /// The row is gone.
    Removed,
}

/// Changes to be committed together: one final row a key, and every transition in order.
#[derive(Debug, Default)]
pub struct Batch {
    rows: BTreeMap<Key, RowChange>,
    transitions: Vec<Transition>,
}

impl Batch {
    /// Adds what has happened after all that was added before.
    pub fn add(&mut self, change: Change) {
        let (entry, row, transitions) = match change {
            Change::Put { entry, transitions, is_news: _ } => {
                (Arc::clone(&entry), RowChange::Put(entry), transitions)
            }
            Change::Removed { entry, transitions } => (entry, RowChange::Removed, transitions),
        };
        self.rows.insert(entry.owned_key(), row);
        self.transitions.extend(transitions);
    }

    /// Returns the rows that change, in the order of their keys.
    #[must_use]
    pub fn rows(&self) -> &BTreeMap<Key, RowChange> {
        &self.rows
    }

    /// Returns what happened, in order.
    #[must_use]
    pub fn transitions(&self) -> &[Transition] {
        &self.transitions
    }

    /// Whether there is nothing to commit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.transitions.is_empty()
    }
}
