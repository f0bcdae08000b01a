//! Counters that are told apart by one label.

use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::total::Total;

type Label = [(&'static str, &'static str); 1];

/// Counts by the values of one label, which are all there from the start; clones count together.
#[derive(Clone, Debug)]
pub struct Breakdown {
    label: &'static str,
    counters: Family<Label, Total>,
}

impl Breakdown {
    pub(super) fn register(
        registry: &mut Registry,
        name: &str,
        help: &str,
        label: &'static str,
        values: &[&'static str],
    ) -> Self {
        let counters = Family::<Label, Total>::default();
        registry.register(name, help, counters.clone());
        let breakdown = Self { label, counters };
        for value in values {
            drop(breakdown.counters.get_or_create(&[(label, *value)]));
        }
        breakdown
    }

    /// Counts one more with this value of the label.
    pub fn note(&self, value: &'static str) {
        self.counters.get_or_create(&[(self.label, value)]).add(1);
    }
}
