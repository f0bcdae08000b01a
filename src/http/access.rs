//! Who may do what: the right that each route needs, and the caller who holds it.
//!
//! There are no credentials yet: every caller is anonymous and holds every right.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::{FromRequest, HttpRequest};

use super::error::ApiError;
use crate::domain::Actor;

/// What a caller needs to be allowed to do. The table of routes names one right for each method of
/// each path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Right {
    /// Report the status of a repository on a server.
    WriteStatus,
    /// Remove an entry.
    DeleteStatus,
    /// Read entries, counts and the history, as data or as pages.
    Read,
    /// Scrape the metrics.
    Metrics,
    /// Ask whether the server is well.
    Probe,
}

/// The right that each method of one path needs.
#[derive(Clone, Debug, Default)]
pub(super) struct Needs(pub(super) Vec<(Method, Right)>);

/// The sender of a request, who holds the right that its route needs.
#[derive(Debug)]
pub(super) struct Caller {
    /// The name that the history keeps beside what the caller does, if it is known.
    pub(super) actor: Option<Actor>,
}

impl Caller {
    /// Returns the caller of whom nothing is known. It holds every right.
    fn anonymous() -> Self {
        Self { actor: None }
    }
}

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let mut needs = request.app_data::<Needs>().into_iter().flat_map(|Needs(needs)| needs);
        // A route without a right is closed to everybody.
        let needed = needs.find(|(method, _)| method == request.method());
        ready(needed.map(|_| Self::anonymous()).ok_or(ApiError::NoSuchPath { meant: None }))
    }
}

/// The arguments of a handler that begin with its caller.
pub(super) trait WithCaller {}

impl<A> WithCaller for (Caller, A) {}
impl<A, B> WithCaller for (Caller, A, B) {}
impl<A, B, C> WithCaller for (Caller, A, B, C) {}
