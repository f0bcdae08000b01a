//! Answered requests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use super::instruments::{Counter, Histogram};
use super::text::Text;
use crate::mutex::locked;

/// Requests by route and method.
type Kinds = BTreeMap<(&'static str, &'static str), Kind>;

/// The requests of one route and method.
#[derive(Debug)]
struct Kind {
    codes: BTreeMap<u16, Counter>,
    seconds: Histogram,
}

/// The counters of all requests.
#[derive(Debug, Default)]
pub struct Requests(Mutex<Kinds>);

impl Requests {
    /// Returns the counter of requests with one outcome. Route and method must be among a few known
    /// words: a series is never removed.
    #[must_use]
    pub fn counter(&self, route: &'static str, method: &'static str, code: u16) -> RequestCounter {
        let mut kinds = self.kinds();
        let new = || Kind { codes: BTreeMap::new(), seconds: Histogram::of_seconds() };
        let Kind { codes, seconds } = kinds.entry((route, method)).or_insert_with(new);
        let answers = codes.entry(code).or_default().clone();
        RequestCounter { answers, seconds: seconds.clone() }
    }

    pub(super) fn write(&self, text: &mut Text) {
        let kinds = self.kinds();
        let kinds = || {
            let labels = |(route, method)| format!("route=\"{route}\",method=\"{method}\"");
            kinds.iter().map(move |(kind, counts)| (labels(*kind), counts))
        };
        text.family(
            "gitops_status_http_requests_total",
            "Requests that were answered",
            "counter",
            kinds().flat_map(|(labels, Kind { codes, .. })| {
                let labels = move |code| format!("{labels},code=\"{code}\"");
                codes.iter().map(move |(code, count)| (labels(code), count.get()))
            }),
        );
        text.histograms(
            "gitops_status_http_request_duration_seconds",
            "Time from the head of a request to the head of its answer",
            kinds().map(|(labels, Kind { seconds, .. })| (labels, seconds)),
        );
    }

    fn kinds(&self) -> MutexGuard<'_, Kinds> {
        locked(&self.0)
    }
}

/// Counts requests of one route and method with one status code.
#[derive(Clone, Debug)]
pub struct RequestCounter {
    answers: Counter,
    seconds: Histogram,
}

impl RequestCounter {
    /// Counts a request without its time.
    pub fn note_untimed(&self) {
        self.answers.add(1);
    }

    /// Counts a request.
    pub fn note(&self, took: Duration) {
        self.answers.add(1);
        self.seconds.observe(took.as_secs_f64());
    }
}
