//! Positions: where the entries of a snapshot were found last.
//!
//! Finding one of a million keys takes twenty comparisons, and each waits for memory several times.
//! A remembered position saves them, but it is a guess: entries move, several keys share a slot, and
//! snapshots that share a table overwrite each other's positions. So compare the key of the entry
//! that is there.

use std::fmt;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::DefaultHashBuilder;

use super::KeyRef;

/// The smallest table.
const SMALLEST: usize = 1024;

/// A table of guesses, by the hash of the key. Both numbers of a position share one integer.
pub(super) struct Positions {
    slots: Box<[AtomicU64]>,
    hasher: DefaultHashBuilder,
}

impl Positions {
    /// Makes an empty table for this many entries and more.
    pub(super) fn for_entries(count: usize) -> Self {
        let slots = count.saturating_mul(2).max(SMALLEST).next_power_of_two();
        let slots = (0..slots).map(|_| AtomicU64::new(0)).collect();
        Self { slots, hasher: DefaultHashBuilder::default() }
    }

    /// Whether too many of this many entries share a slot.
    pub(super) fn are_too_few_for(&self, count: usize) -> bool {
        count > self.slots.len()
    }

    /// Returns where a key may be.
    pub(super) fn guess(&self, key: KeyRef<'_>) -> (usize, usize) {
        let packed = self.slot(key).map_or(0, |slot| slot.load(Ordering::Relaxed));
        let half = |bits: u64| usize::try_from(bits & u64::from(u32::MAX)).unwrap_or(usize::MAX);
        (half(packed >> 32), half(packed))
    }

    /// Remembers where a key is.
    pub(super) fn note(&self, key: KeyRef<'_>, (segment, place): (usize, usize)) {
        if let (Some(slot), Ok(segment), Ok(place)) =
            (self.slot(key), u32::try_from(segment), u32::try_from(place))
        {
            slot.store(u64::from(segment) << 32 | u64::from(place), Ordering::Relaxed);
        }
    }

    fn slot(&self, key: KeyRef<'_>) -> Option<&AtomicU64> {
        let hash = usize::try_from(self.hasher.hash_one(key) & u64::from(u32::MAX)).ok()?;
        self.slots.get(hash & (self.slots.len() - 1))
    }
}

impl fmt::Debug for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Positions").field(&self.slots.len()).finish()
    }
}
