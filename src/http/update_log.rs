//! What the log says of wrong updates, by which a broken reporter is found: those that were refused,
//! and the warnings about those that were stored.

use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpRequest, ResponseError};

use super::error::ApiError;
use super::request_log::{Asked, and_others, with_token};
use super::sent_names::SentNames;
use super::throttle::{Subject, Throttle};
use super::warning::Warning;
use crate::access::{TokenId, redacted};
use crate::clock::Clock;
use crate::domain::Key;

/// How much of a fault tells it from others.
const MOST_CHARACTERS: usize = 200;

/// Logs wrong updates: about each subject a line a minute at most, and not too many in all.
pub struct UpdateLog {
    refusals: Throttle,
    warnings: Throttle,
    clock: Arc<dyn Clock>,
}

impl UpdateLog {
    /// Makes a log to which nothing has happened yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { refusals: Throttle::default(), warnings: Throttle::default(), clock }
    }

    /// Logs an update that was refused for a fault of its own, with the token that came with it.
    pub(super) fn note_refusal(
        &self,
        request: &HttpRequest,
        token: Option<&TokenId>,
        names: &SentNames,
        error: &ApiError,
    ) {
        if !error.status_code().is_client_error() {
            return;
        }
        let reason = error.reason().unwrap_or_default();
        // Positions and counts differ from one update to the next.
        let fault = reason.chars().filter(|character| !character.is_ascii_digit());
        let fault = fault.take(MOST_CHARACTERS).collect();
        let token = with_token(token);
        let sender = Asked::of(request).to_string();
        let entry = redacted(&names.to_string()).into_owned() + &token;
        let line = format!("{sender}{entry} was refused");
        if let Some(others) = self.refusals.admit(Subject { sender, fault, entry }, self.now()) {
            log::info!("{line}{}: {reason}", and_others(others));
        }
    }

    /// Logs the warnings about an update that was stored. Its repository stands for all that one
    /// wrong template of a job makes.
    pub(super) fn note_warnings(&self, request: &HttpRequest, key: &Key, warnings: &[Warning]) {
        let Key { repo, server } = key;
        let (repo, server) = (repo.as_str().escape_debug(), server.as_str().escape_debug());
        let sender = Asked::of(request).caller;
        for warning in warnings {
            let fault = warning.field.to_owned();
            let subject = Subject { sender: sender.clone(), fault, entry: repo.to_string() };
            if let Some(others) = self.warnings.admit(subject, self.now()) {
                log::warn!("Update of {repo}:{server}{}: {warning}", and_others(others));
            }
        }
    }

    /// Logs how many lines were left out in the minutes that are over. Call this every second or so.
    pub fn sum_up(&self) {
        let refusals = self.refusals.settle(self.now());
        for (Subject { sender, entry, fault: _ }, count) in refusals.alike {
            log::info!("{sender}{entry} was refused {count} more times");
        }
        if refusals.others > 0 {
            log::info!("{} more updates, of other reporters, were refused", refusals.others);
        }
        let warnings = self.warnings.settle(self.now());
        for (Subject { sender, entry, fault }, count) in warnings.alike {
            log::warn!("Updates of {entry} from {sender}: {count} more warnings about {fault}");
        }
        if warnings.others > 0 {
            log::warn!("{} more warnings, about other updates, were not logged", warnings.others);
        }
    }

    fn now(&self) -> Duration {
        self.clock.monotonic()
    }
}
