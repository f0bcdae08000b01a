//! Updates that were stored with a warning.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::total::Total;

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct FieldLabels {
    field: &'static str,
}

/// Counts warnings by the field that they are about.
#[derive(Debug)]
pub struct Warnings(Family<FieldLabels, Total>);

impl Warnings {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let warnings = Family::<FieldLabels, Total>::default();
        for field in ["files", "revision", "url"] {
            drop(warnings.get_or_create(&FieldLabels { field }));
        }
        registry.register(
            "gitops_status_update_warnings_total",
            "Updates that were stored without one of their fields, and answered with a warning",
            warnings.clone(),
        );
        Self(warnings)
    }

    /// Counts a warning about a field.
    pub fn note(&self, field: &'static str) {
        self.0.get_or_create(&FieldLabels { field }).add(1);
    }
}
