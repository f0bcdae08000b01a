//! Prometheus' text format, version 0.0.4.

use std::fmt::Debug;

use super::instruments::{Breakdown, Histogram};

/// The text of metrics, family by family.
///
/// Labels are written as they are: their values must contain nothing that has to be escaped.
#[derive(Default)]
pub(super) struct Text(String);

/// Returns the lines that describe a family of metrics.
pub(super) fn description(name: &str, help: &str, kind: &str) -> String {
    format!("# HELP {name} {help}.\n# TYPE {name} {kind}\n")
}

impl Text {
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: impl Debug) {
        self.family(name, help, "gauge", [("", value)]);
    }

    /// Writes a gauge for each value of a label.
    pub(super) fn gauges<'a>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'a str, impl Debug)>,
    ) {
        let samples = values.into_iter();
        let samples = samples.map(|(word, value)| (format!("{label}=\"{word}\""), value));
        self.family(name, help, "gauge", samples);
    }

    pub(super) fn counter(&mut self, name: &str, help: &str, count: u64) {
        self.family(name, help, "counter", [("", count)]);
    }

    /// Writes a counter for each value of a label.
    pub(super) fn breakdown(&mut self, name: &str, help: &str, label: &str, counts: &Breakdown) {
        let samples = counts.iter().map(|(word, count)| (format!("{label}=\"{word}\""), count));
        self.family(name, help, "counter", samples);
    }

    /// Writes histograms with their labels.
    pub(super) fn histograms<'a>(
        &mut self,
        name: &str,
        help: &str,
        histograms: impl IntoIterator<Item = (impl AsRef<str>, &'a Histogram)>,
    ) {
        self.0 += &description(name, help, "histogram");
        for (labels, histogram) in histograms {
            let labels = labels.as_ref();
            let comma = if labels.is_empty() { "" } else { "," };
            let mut count = 0;
            for (bound, in_bucket) in histogram.buckets() {
                count += in_bucket;
                let le = if bound.is_finite() { format!("{bound:?}") } else { "+Inf".to_owned() };
                self.sample(name, "_bucket", &format!("le=\"{le}\"{comma}{labels}"), count);
            }
            self.sample(name, "_sum", labels, histogram.sum());
            self.sample(name, "_count", labels, count);
        }
    }

    /// Writes a family of samples with their labels.
    pub(super) fn family(
        &mut self,
        name: &str,
        help: &str,
        kind: &str,
        samples: impl IntoIterator<Item = (impl AsRef<str>, impl Debug)>,
    ) {
        self.0 += &description(name, help, kind);
        for (labels, value) in samples {
            self.sample(name, "", labels.as_ref(), value);
        }
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }

    /// Writes a line. Unlike `Display`, `Debug` keeps the point of `1.0`.
    fn sample(&mut self, name: &str, suffix: &str, labels: &str, value: impl Debug) {
        let (open, close) = if labels.is_empty() { ("", "") } else { ("{", "}") };
        let value = format!("{value:?}");
        self.0.extend([name, suffix, open, labels, close, " ", &value, "\n"]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_counts_all_values_up_to_and_including_its_bound() {
        let histogram = Histogram::new([0.5, 1.0]);
        for value in [0.25, 0.5, 0.75, 2.0] {
            histogram.observe(value);
        }
        let mut text = Text::default();
        text.histograms("seconds", "Time", [("method=\"GET\"", &histogram)]);
        let lines = [
            "# HELP seconds Time.",
            "# TYPE seconds histogram",
            "seconds_bucket{le=\"0.5\",method=\"GET\"} 2",
            "seconds_bucket{le=\"1.0\",method=\"GET\"} 3",
            "seconds_bucket{le=\"+Inf\",method=\"GET\"} 4",
            "seconds_sum{method=\"GET\"} 3.5",
            "seconds_count{method=\"GET\"} 4",
        ];
        assert_eq!(text.into_string().lines().collect::<Vec<_>>(), lines);
    }
}
