//! The log of requests: a line for each at level debug, and the faults behind answers that fail or
//! break off.

use std::fmt;

use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::{Error, HttpRequest};
use bytes::Bytes;
use log::Level;
use tokio::time::Instant;

use super::error::ApiError;
use super::methods;
use crate::access::TokenId;

/// What `RUST_LOG` calls this log: `RUST_LOG=requests=debug` turns it on.
const TARGET: &str = "requests";

/// Returns when a request began, if requests are logged.
pub(super) fn begin() -> Option<Instant> {
    log::log_enabled!(target: TARGET, Level::Debug).then(Instant::now)
}

/// Logs the fault behind an answer, if it has one.
pub(super) fn note_answer<B>(response: &ServiceResponse<B>) {
    if let Some(error) = error_of(response) {
        note_fault(response.request(), error);
    }
}

fn error_of<B>(response: &ServiceResponse<B>) -> Option<&ApiError> {
    response.response().error().and_then(Error::as_error)
}

/// Logs the fault behind an error, with the request that met it.
pub(super) fn note_fault(request: &HttpRequest, error: &ApiError) {
    if let Some(fault) = error.fault() {
        log::error!("{} failed: {fault}", Asked::of(request));
    }
}

/// What a request asked for, and who sent it.
pub(super) struct Asked {
    method: &'static str,
    /// The pattern of the path, because a path may contain anything, even secrets.
    route: String,
    pub(super) caller: String,
}

impl Asked {
    pub(super) fn of(request: &HttpRequest) -> Self {
        let address = request.peer_addr().map(|address| address.ip().to_canonical().to_string());
        Self {
            method: methods::name(request.method()),
            route: request.match_pattern().unwrap_or_else(|| "none".to_owned()),
            caller: address.unwrap_or_else(|| "unknown".to_owned()),
        }
    }

    /// Logs why the answer broke off after it had begun.
    pub(super) fn note_broken(&self, cause: &impl fmt::Display) {
        log::error!("{self} broke off: {cause}");
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, route, caller } = self;
        write!(f, "{method} {route} from {caller}")
    }
}

/// Says with which token a request came, if it came with one.
pub(super) fn with_token(id: Option<&TokenId>) -> String {
    id.map(|id| format!(" with the token {id}")).unwrap_or_default()
}

/// Says how many lines were left out before one.
pub(super) fn and_others(count: u64) -> String {
    match count {
        0 => String::new(),
        count => format!(" (and {count} like it, which were not logged)"),
    }
}

/// The line of a request; logged when this is dropped.
pub(super) struct Line {
    asked: Asked,
    status: StatusCode,
    /// How much of the answer's body has been handed over. The body of an answer to HEAD is not sent.
    bytes: usize,
    began: Instant,
    /// Why the request was refused or failed.
    reason: Option<String>,
}

impl Line {
    pub(super) fn of<B>(response: &ServiceResponse<B>, began: Instant) -> Self {
        let (asked, status) = (Asked::of(response.request()), response.status());
        let reason = error_of(response).and_then(ApiError::reason);
        Self { asked, status, bytes: 0, began, reason }
    }

    /// Counts a piece of the answer's body that has been handed over.
    pub(super) fn note_piece(&mut self, piece: &Bytes) {
        if self.asked.method != "HEAD" {
            self.bytes += piece.len();
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let Self { asked, status, bytes, began, reason } = self;
        let millis = began.elapsed().as_secs_f64() * 1000.0;
        let status = status.as_u16();
        let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        log::debug!(target: TARGET, "{asked}: {status}, {bytes} bytes, {millis:.1} ms{reason}");
    }
}
