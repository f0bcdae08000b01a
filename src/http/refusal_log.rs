//! What the log says of requests without a valid token or without a right, by which a reporter with the
//! wrong token is found. A secret is never shown, nor is an id that no token has: it may be a part of a
//! secret.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;

use super::caller::is_read;
use super::error::Forbidden;
use super::request_log::{Asked, and_others, with_token};
use super::throttle::{Subject, Throttle};
use crate::access::{TokenId, Unauthorized, redacted};
use crate::clock::Clock;

/// Logs refused requests: of each token, or of each address without one, a line a minute for each reason.
/// Those who have not shown that they hold a token have places of their own, so that they hide no others.
pub struct RefusalLog {
    tokens: Throttle,
    strangers: Throttle,
    clock: Arc<dyn Clock>,
}

impl RefusalLog {
    /// Makes a log to which nothing has happened yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { tokens: Throttle::default(), strangers: Throttle::default(), clock }
    }

    /// Logs a request whose sender has no right to make it.
    pub(super) fn note_forbidden(&self, request: &HttpRequest, what: &Forbidden) {
        match &what.token {
            Some(id) => self.note_token(request, id, "its rights do not allow it", what),
            None => self.note_stranger(request, None, "there are no tokens"),
        }
    }

    /// Logs a request whose token is missing or not valid. Browsers that read ask without a token first,
    /// and then ask their user for one.
    pub(super) fn note_unauthorized(&self, request: &HttpRequest, reason: &Unauthorized) {
        match reason {
            Unauthorized::Missing if is_read(request) => {}
            Unauthorized::Missing => self.note_stranger(request, None, "there is no token"),
            Unauthorized::Malformed => {
                self.note_stranger(
                    request,
                    None,
                    "its token has not the form of one, or is in a wrong place",
                );
            }
            Unauthorized::UnknownId => {
                self.note_stranger(request, None, "no token has the id it sent");
            }
            // Everybody can learn the ids, from the metrics.
            Unauthorized::WrongSecret(id) => {
                self.note_stranger(request, Some(id), "its secret is wrong");
            }
            Unauthorized::Expired(id) => {
                self.note_token(request, id, "it has expired", "it has expired");
            }
        }
    }

    fn note_token(
        &self,
        request: &HttpRequest,
        id: &TokenId,
        fault: &str,
        reason: impl std::fmt::Display,
    ) {
        let sender = id.to_string();
        let subject = Subject { sender, fault: fault.to_owned(), entry: String::new() };
        if let Some(others) = self.tokens.admit(subject, self.clock.monotonic()) {
            let (asked, with) = (Asked::of(request), with_token(Some(id)));
            // It may repeat the names that were sent, and a token in a wrong place.
            let reason = reason.to_string();
            log::info!("{asked}{with} was refused{}: {}", and_others(others), redacted(&reason));
        }
    }

    fn note_stranger(&self, request: &HttpRequest, claimed: Option<&TokenId>, fault: &str) {
        let asked = Asked::of(request);
        let sender = asked.caller.clone();
        let with = with_token(claimed);
        let subject = Subject { sender, fault: fault.to_owned(), entry: with.clone() };
        if let Some(others) = self.strangers.admit(subject, self.clock.monotonic()) {
            log::info!("{asked}{with} was refused{}: {fault}", and_others(others));
        }
    }

    /// Logs how many lines were left out in the minutes that are over. Call this every second or so.
    pub fn sum_up(&self) {
        let now: Duration = self.clock.monotonic();
        let tokens = self.tokens.settle(now);
        for (Subject { sender, fault, entry: _ }, count) in tokens.alike {
            log::info!("{count} more requests with the token {sender} were refused: {fault}");
        }
        if tokens.others > 0 {
            log::info!("{} more requests, with other tokens, were refused", tokens.others);
        }
        let strangers = self.strangers.settle(now);
        for (Subject { sender, fault, entry: with }, count) in strangers.alike {
            log::info!("{count} more requests from {sender}{with} were refused: {fault}");
        }
        if strangers.others > 0 {
            let count = strangers.others;
            log::info!("{count} more requests without a valid token, from others, were refused");
        }
    }
}
