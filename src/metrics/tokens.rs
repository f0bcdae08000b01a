//! Access: the tokens, the requests with each of them, and those without a valid one.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::instruments::{Breakdown, Counter};
use super::series::escaped;
use super::text::Text;
use crate::access::{Access, Token, TokenId, Tokens, Unauthorized, Use};
use crate::domain::RepoName;
use crate::mutex::locked;

/// The most repositories whose updates without a token are counted one by one.
const MOST_REPOS: usize = 1000;
/// The label of all others. No repository has it, since it has a blank at its end.
const OTHER_REPOS: &str = "others ";

/// Counters of requests that no token counts, and the metrics of those that tokens do. Nothing that a
/// client without a token sends becomes a label, except the repository of an update that is stored.
#[derive(Debug)]
pub struct TokenUse {
    /// Requests that were answered 401 and name no known token, by reason.
    unauthorized: Breakdown,
    /// Stored updates without a token, by repository.
    without: Mutex<BTreeMap<Box<str>, Counter>>,
}

impl TokenUse {
    pub(super) fn new() -> Self {
        let unauthorized = Breakdown::new(&["missing", "malformed", "unknown_id"]);
        Self { unauthorized, without: Mutex::default() }
    }

    /// Counts a request that was answered 401, unless it names a token: then the token counts it.
    pub fn note_unauthorized(&self, reason: &Unauthorized) {
        match reason {
            Unauthorized::Missing => self.unauthorized.note("missing"),
            Unauthorized::Malformed => self.unauthorized.note("malformed"),
            Unauthorized::UnknownId => self.unauthorized.note("unknown_id"),
            Unauthorized::WrongSecret(_) | Unauthorized::Expired(_) => {}
        }
    }

    /// Counts a stored update without a token.
    pub fn note_update_without_token(&self, repo: &RepoName) {
        let mut without = locked(&self.without);
        let is_room = without.len() < MOST_REPOS;
        if let Some(count) = without.get(repo.as_str()) {
            return count.add(1);
        }
        let label = if is_room { repo.as_str() } else { OTHER_REPOS };
        without.entry(label.into()).or_default().add(1);
    }

    pub(super) fn write(&self, access: &Access, text: &mut Text) {
        let Some(tokens) = access.tokens() else { return };
        text.gauge(
            "gitops_status_tokens_file_valid",
            "Whether the file of tokens could be read when it was looked at last",
            u8::from(!access.is_file_bad()),
        );
        write_tokens(&tokens, text);
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

fn write_tokens(tokens: &Tokens, text: &mut Text) {
    // An id holds nothing that has to be escaped.
    let labels = |id: &TokenId| format!("id=\"{id}\"");
    let requests = tokens.iter().flat_map(|token| {
        let Token { id, uses, .. } = &**token;
        let labels = move |what: Use| format!("{},outcome=\"{}\"", labels(id), what.name());
        Use::ALL.map(|what| (labels(what), uses.count(what)))
    });
    text.family(
        "gitops_status_token_requests_total",
        "Requests with a known token, by token and outcome",
        "counter",
        requests,
    );
    let expiring = tokens.iter().filter_map(|token| Some((&token.id, token.expires?)));
    text.family(
        "gitops_status_token_expires_timestamp_seconds",
        "When a token expires, in seconds since 1970",
        "gauge",
        expiring.map(|(id, at)| (labels(id), at.millis().div_euclid(1000))),
    );
}
