//! The use of tokens: requests by token, requests without a valid one, and updates without any.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::instruments::{Breakdown, Counter};
use super::series::escaped;
use super::text::Text;
use crate::domain::{RepoName, Timestamp};
use crate::mutex::locked;

/// What came of a request with a known token.
const OUTCOMES: [&str; 4] = ["allowed", "forbidden", "wrong_secret", "expired"];

/// The most repositories whose updates without a token are counted one by one.
const MOST_REPOS: usize = 1000;
/// The label of all others. No repository has it, since it has a blank at its end.
const OTHER_REPOS: &str = "others ";

/// Counters of the use of tokens.
#[derive(Debug)]
pub struct TokenUse {
    is_on: AtomicBool,
    is_file_valid: AtomicBool,
    tokens: Mutex<BTreeMap<Arc<str>, OneToken>>,
    /// Requests that were answered 401 and name no known token, by reason.
    unauthorized: Breakdown,
    /// Stored updates without a token, by repository.
    without: Mutex<BTreeMap<Box<str>, Counter>>,
}

/// One token of the file.
#[derive(Debug)]
struct OneToken {
    expires: Option<Timestamp>,
    requests: Breakdown,
}

impl TokenUse {
    pub(super) fn new() -> Self {
        Self {
            is_on: AtomicBool::new(false),
            is_file_valid: AtomicBool::new(true),
            tokens: Mutex::default(),
            unauthorized: Breakdown::new(&["missing", "malformed", "unknown_id"]),
            without: Mutex::default(),
        }
    }

    /// Takes the ids of the tokens in force, and when they expire. What was counted stays.
    pub fn set_tokens<'a>(&self, ids: impl Iterator<Item = (&'a str, Option<Timestamp>)>) {
        self.is_on.store(true, Ordering::Relaxed);
        self.is_file_valid.store(true, Ordering::Relaxed);
        let mut tokens = locked(&self.tokens);
        let mut before = std::mem::take(&mut *tokens);
        for (id, expires) in ids {
            let requests = before.remove(id).map(|token| token.requests);
            let requests = requests.unwrap_or_else(|| Breakdown::new(&OUTCOMES));
            tokens.insert(id.into(), OneToken { expires, requests });
        }
    }

    /// Notes that the file of tokens cannot be read.
    pub fn note_bad_file(&self) {
        self.is_file_valid.store(false, Ordering::Relaxed);
    }

    /// Counts a request with a token, by one of [`OUTCOMES`].
    pub fn note_request(&self, id: &str, outcome: &'static str) {
        if let Some(token) = locked(&self.tokens).get(id) {
            token.requests.note(outcome);
        }
    }

    /// Counts a request that was answered 401 and names no known token: `missing`, `malformed` or
    /// `unknown_id`.
    pub fn note_unauthorized(&self, reason: &'static str) {
        self.unauthorized.note(reason);
    }

    /// Counts a stored update without a token.
    pub fn note_update_without_token(&self, repo: &RepoName) {
        let mut without = locked(&self.without);
        let is_room = without.len() < MOST_REPOS || without.contains_key(repo.as_str());
        let label = if is_room { repo.as_str() } else { OTHER_REPOS };
        without.entry(label.into()).or_default().add(1);
    }

    pub(super) fn write(&self, text: &mut Text) {
        if !self.is_on.load(Ordering::Relaxed) {
            return;
        }
        text.gauge(
            "gitops_status_tokens_file_valid",
            "Whether the file of tokens could be read when it was looked at last",
            u8::from(self.is_file_valid.load(Ordering::Relaxed)),
        );
        let tokens = locked(&self.tokens);
        let requests = tokens.iter().flat_map(|(id, token)| {
            let counts = token.requests.iter();
            counts
                .map(move |(outcome, count)| (format!("id=\"{id}\",outcome=\"{outcome}\""), count))
        });
        text.family(
            "gitops_status_token_requests_total",
            "Requests with a known token, by token and outcome",
            "counter",
            requests,
        );
        let expiring = tokens.iter().filter_map(|(id, token)| Some((id, token.expires?)));
        text.family(
            "gitops_status_token_expires_timestamp_seconds",
            "When a token expires, in seconds since 1970",
            "gauge",
            expiring.map(|(id, at)| (format!("id=\"{id}\""), at.millis().div_euclid(1000))),
        );
        drop(tokens);
        text.breakdown(
            "gitops_status_unauthorized_total",
            "Requests that were answered 401 and name no known token, by reason",
            "reason",
            &self.unauthorized,
        );
        let without = locked(&self.without);
        text.family(
            "gitops_status_updates_without_token_total",
            "Stored updates without a token, by repository",
            "counter",
            without
                .iter()
                .map(|(repo, count)| (format!("repo=\"{}\"", escaped(repo)), count.get())),
        );
    }
}
