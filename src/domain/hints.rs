//! Hints: where the entries of a state were found last.
//!
//! To find one of a million keys takes twenty comparisons, and each waits for memory several times.
//! A hint spares them, but is only a guess: entries move, several share a hint, and states that differ
//! write the same ones. So whoever takes one has to compare the key of the entry that is there.

use std::fmt;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::DefaultHashBuilder;

use super::KeyRef;
use super::snapshot::Place;

/// How many hints there are at least.
const FEWEST: usize = 1024;

/// A guess for each key. States that share them see each other's guesses.
pub(super) struct Hints {
    places: Box<[AtomicU64]>,
    hasher: DefaultHashBuilder,
}

impl Hints {
    /// Makes room for the hints of so many entries and more; there are none yet.
    pub(super) fn for_entries(count: usize) -> Self {
        let count = count.saturating_mul(2).max(FEWEST).next_power_of_two();
        let places = (0..count).map(|_| AtomicU64::new(0)).collect();
        Self { places, hasher: DefaultHashBuilder::default() }
    }

    /// Whether so many entries have to share too many of them.
    pub(super) fn are_too_few_for(&self, count: usize) -> bool {
        count > self.places.len()
    }

    /// Returns where a key may be.
    pub(super) fn guess(&self, key: KeyRef<'_>) -> Place {
        let packed = self.of(key).map_or(0, |hint| hint.load(Ordering::Relaxed));
        let half = |bits: u64| usize::try_from(bits & u64::from(u32::MAX)).unwrap_or(usize::MAX);
        (half(packed >> 32), half(packed))
    }

    /// Remembers where a key is.
    pub(super) fn note(&self, key: KeyRef<'_>, (segment, place): Place) {
        if let (Some(hint), Ok(segment), Ok(place)) =
            (self.of(key), u32::try_from(segment), u32::try_from(place))
        {
            hint.store(u64::from(segment) << 32 | u64::from(place), Ordering::Relaxed);
        }
    }

    fn of(&self, key: KeyRef<'_>) -> Option<&AtomicU64> {
        let hash = usize::try_from(self.hasher.hash_one(key) & u64::from(u32::MAX)).ok()?;
        self.places.get(hash & (self.places.len() - 1))
    }
}

impl fmt::Debug for Hints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hints").field(&self.places.len()).finish()
    }
}
