//! Counters and histograms, kept in atomics: to count takes no lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows; clones are the same counter.
#[derive(Clone, Debug, Default)]
pub(super) struct Counter(Arc<AtomicU64>);

impl Counter {
    pub(super) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters by the values of one label, which all exist from the start; clones are the same
/// counters.
#[derive(Clone, Debug)]
pub struct Breakdown(Arc<[(&'static str, Counter)]>);

impl Breakdown {
    pub(super) fn new(values: &[&'static str]) -> Self {
        Self(values.iter().map(|value| (*value, Counter::default())).collect())
    }

    /// Counts one more with this value of the label.
    pub fn note(&self, value: &'static str) {
        let counter = self.0.iter().find(|(known, _)| *known == value);
        debug_assert!(counter.is_some(), "{value} is not a value of this label");
        if let Some((_, counter)) = counter {
            counter.add(1);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(value, counter)| (*value, counter.get()))
    }
}

/// Counts values by size; clones are the same histogram.
#[derive(Clone, Debug)]
pub(super) struct Histogram(Arc<Observed>);

#[derive(Debug)]
struct Observed {
    /// How many values are at most a bound and above the bound before it. The last is infinite.
    buckets: Box<[(f64, AtomicU64)]>,
    /// The bits of a floating-point number.
    sum: AtomicU64,
}

impl Histogram {
    /// Makes a histogram of times, from a file system in memory to a disk that hangs.
    pub(super) fn of_seconds() -> Self {
        Self::new([0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0])
    }

    pub(super) fn new(bounds: impl IntoIterator<Item = f64>) -> Self {
        let bounds = bounds.into_iter().chain([f64::INFINITY]);
        let buckets = bounds.map(|bound| (bound, AtomicU64::new(0))).collect();
        Self(Arc::new(Observed { buckets, sum: AtomicU64::new(0f64.to_bits()) }))
    }

    pub(super) fn observe(&self, value: f64) {
        let Observed { buckets, sum } = &*self.0;
        if let Some((_, count)) = buckets.iter().find(|(bound, _)| value <= *bound) {
            count.fetch_add(1, Ordering::Relaxed);
            let add = |bits| (f64::from_bits(bits) + value).to_bits();
            sum.update(Ordering::Relaxed, Ordering::Relaxed, add);
        }
    }

    /// Returns each bucket's upper bound and the number of values in it alone.
    pub(super) fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        self.0.buckets.iter().map(|(bound, count)| (*bound, count.load(Ordering::Relaxed)))
    }

    pub(super) fn sum(&self) -> f64 {
        f64::from_bits(self.0.sum.load(Ordering::Relaxed))
    }
}
