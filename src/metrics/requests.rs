//! The requests that were answered.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::total::Total;

/// Bounds for the time of a request, in seconds.
const SECONDS: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct AnswerLabels {
    route: &'static str,
    method: &'static str,
    code: u16,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RequestLabels {
    route: &'static str,
    method: &'static str,
}

/// The counters of all requests.
#[derive(Debug)]
pub struct Requests {
    answers: Family<AnswerLabels, Total>,
    seconds: Family<RequestLabels, Histogram>,
}

impl Requests {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let requests = Self {
            answers: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
        };
        registry.register(
            "gitops_status_http_requests_total",
            "Requests that were answered",
            requests.answers.clone(),
        );
        registry.register(
            "gitops_status_http_request_duration_seconds",
            "Time from the head of a request to the head of its answer",
            requests.seconds.clone(),
        );
        requests
    }

    /// Returns the counter of requests of one kind. Route and method must come from a few known
    /// words: what has a counter once is shown for ever.
    #[must_use]
    pub fn counter(&self, route: &'static str, method: &'static str, code: u16) -> RequestCounter {
        RequestCounter {
            answers: self.answers.get_or_create_owned(&AnswerLabels { route, method, code }),
            seconds: self.seconds.get_or_create_owned(&RequestLabels { route, method }),
        }
    }
}

/// Counts requests of one route and method with one outcome.
#[derive(Clone, Debug)]
pub struct RequestCounter {
    answers: Total,
    seconds: Histogram,
}

impl RequestCounter {
    /// Counts a request whose time says nothing.
    pub fn note_untimed(&self) {
        self.answers.add(1);
    }

    /// Counts a request.
    pub fn note(&self, took: Duration) {
        self.answers.add(1);
        self.seconds.observe(took.as_secs_f64());
    }
}
