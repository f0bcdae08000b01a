//! What others have changed in a store, and how a snapshot takes it over.

use std::sync::Arc;

use hashbrown::HashMap;

use super::{Entry, Head, Key, ReportedTime, Timestamp};

/// Changes in a store that a snapshot does not have yet.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// The last commit of the changes.
    pub head: Head,
    /// Entries that were added or changed.
    pub put: Vec<Arc<Entry>>,
    /// Entries of which only times changed.
    pub seen: Vec<Sighting>,
    /// Keys of entries that were removed.
    pub removed: Vec<Key>,
}

/// An update that changed only the times of an entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sighting {
    /// The entry.
    pub key: Key,
    /// When the reporter has compared, by its own clock.
    pub last_check: ReportedTime,
    /// When the update was received.
    pub updated_at: Timestamp,
}

impl Sighting {
    /// Makes a sighting of an entry's times.
    #[must_use]
    pub fn of(entry: &Entry) -> Self {
        let (last_check, updated_at) = (entry.report.last_check, entry.updated_at);
        Self { key: entry.report.to_key(), last_check, updated_at }
    }

    /// Gives an entry these times.
    pub fn note_in(&self, entry: &mut Arc<Entry>) {
        let entry = Arc::make_mut(entry);
        entry.report.last_check = self.last_check;
        entry.updated_at = self.updated_at;
    }
}

/// What becomes of one entry.
enum Change {
    Put(Arc<Entry>),
    Seen(Sighting),
    Removed(Key),
}

impl Changes {
    fn into_each(self) -> impl Iterator<Item = (Key, Change)> {
        let Self { head: _, put, seen, removed } = self;
        let removed = removed.into_iter().map(|key| (key.clone(), Change::Removed(key)));
        let put = put.into_iter().map(|entry| (entry.report.to_key(), Change::Put(entry)));
        let seen = seen.into_iter().map(|seen| (seen.key.clone(), Change::Seen(seen)));
        removed.chain(put).chain(seen)
    }
}

/// Adds later changes, in order, so that each entry is in the sum once.
impl Extend<Self> for Changes {
    fn extend<T: IntoIterator<Item = Self>>(&mut self, later: T) {
        let mut head = self.head;
        let mut sum: HashMap<Key, Change> = std::mem::take(self).into_each().collect();
        for changes in later {
            head = changes.head;
            for (key, change) in changes.into_each() {
                match (change, sum.get_mut(&key)) {
                    (Change::Seen(seen), Some(Change::Put(entry))) => seen.note_in(entry),
                    (change, _) => drop(sum.insert(key, change)),
                }
            }
        }
        self.head = head;
        for change in sum.into_values() {
            match change {
                Change::Put(entry) => self.put.push(entry),
                Change::Seen(seen) => self.seen.push(seen),
                Change::Removed(key) => self.removed.push(key),
            }
        }
    }
}
