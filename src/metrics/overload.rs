//! Requests that were refused because there was too much of something at once.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::total::Total;

/// What there can be too much of.
const REASONS: [&str; 4] = ["bodies", "history", "metrics", "reads"];

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ReasonLabels {
    reason: &'static str,
}

/// Counts refused requests by their reason; clones count together.
#[derive(Clone, Debug)]
pub struct Overload(Family<ReasonLabels, Total>);

impl Overload {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let refused = Family::<ReasonLabels, Total>::default();
        for reason in REASONS {
            drop(refused.get_or_create(&ReasonLabels { reason }));
        }
        registry.register(
            "gitops_status_overload_total",
            "Requests that were answered 503 because there was too much at once",
            refused.clone(),
        );
        Self(refused)
    }

    /// Counts a request that was refused.
    pub fn note(&self, reason: &'static str) {
        self.0.get_or_create(&ReasonLabels { reason }).add(1);
    }
}
