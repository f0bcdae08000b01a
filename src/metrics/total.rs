//! Counters under their full names.

use std::fmt;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::{MetricType, TypedMetric};

/// A counter whose name ends in `_total` wherever it stands.
///
/// `OpenMetrics`, for which the library writes, has the ending in the samples only; the text format
/// of Prometheus has it in the lines that describe them as well.
#[derive(Clone, Debug, Default)]
pub(super) struct Total(Counter);

impl Total {
    pub(super) fn add(&self, count: u64) {
        self.0.inc_by(count);
    }
}

impl EncodeMetric for Total {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        // A gauge is what is written without an ending.
        encoder.encode_gauge(&self.0.get())
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl TypedMetric for Total {
    const TYPE: MetricType = MetricType::Counter;
}
