//! Who sends a request: finds the token in it, and refuses callers without the right that the route
//! needs.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::header::{ACCEPT, HeaderName, HeaderValue};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};

use super::credentials::credentials;
use super::error::{ApiError, Forbidden};
use super::services::Services;
use crate::access::{Holder, Right, TokenId, Unauthorized, Use};
use crate::domain::{Actor, KeyRef, Timestamp};

/// Scripts of pages send it.
const REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");

/// What each method of one path needs.
#[derive(Clone, Default)]
pub(super) struct Needs(pub(super) Vec<Need>);

/// What a method of a path needs.
#[derive(Clone)]
pub(super) struct Need {
    pub(super) method: Method,
    pub(super) right: Right,
    /// Mistakes in the query string are told before the lack of a token.
    pub(super) check_query: CheckQuery,
}

/// Checks a query string at a moment, from which some parameters count.
pub(super) type CheckQuery = fn(&str, Timestamp) -> Result<(), ApiError>;

/// The sender of a request, who holds the right that its route needs, for some names at least.
#[derive(Debug)]
pub(super) struct Caller {
    holder: Holder,
}

impl Caller {
    /// Returns the name that the history keeps beside what the caller does, if it is known.
    pub(super) fn actor(&self) -> Option<Actor> {
        self.holder.actor()
    }

    /// Returns the name of the caller's token, if the caller has sent one.
    pub(super) fn token(&self) -> Option<&TokenId> {
        self.holder.id()
    }

    /// Whether the caller has a right for a pair, which need not exist.
    pub(super) fn may(&self, right: Right, key: KeyRef<'_>) -> bool {
        self.holder.covers(right, key)
    }

    /// Returns who the caller is, for those who look at them again later.
    pub(super) fn into_holder(self) -> Holder {
        self.holder
    }

    /// Counts the request as one that the caller may make. [`Caller::check`] does that too.
    pub(super) fn note_allowed(&self) {
        self.holder.note(Use::Allowed);
    }

    /// Checks a right for a pair, which need not exist. The tokens may have changed while the body
    /// arrived.
    ///
    /// # Errors
    /// 401 and 403.
    pub(super) fn check(
        &self,
        right: Right,
        key: KeyRef<'_>,
        request: &HttpRequest,
        services: &Services,
    ) -> Result<(), ApiError> {
        let holder = services.access.again(&self.holder, services.clock.read().wall);
        let holder = holder.map_err(|reason| unauthorized(request, services, reason))?;
        if holder.covers(right, key) {
            holder.note(Use::Allowed);
            return Ok(());
        }
        let pair = Some((key.repo.to_owned(), key.server.to_owned()));
        Err(forbidden(request, services, &holder, Forbidden { right, token: None, pair }))
    }
}

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(admit(request))
    }
}

fn admit(request: &HttpRequest) -> Result<Caller, ApiError> {
    // A route without a right is closed to everybody.
    let closed = || ApiError::NoSuchPath { meant: None };
    let needs = request.app_data::<Needs>().ok_or_else(closed)?;
    let services = request.app_data::<Data<Services>>().ok_or_else(closed)?;
    let Need { right, check_query, .. } =
        needs.0.iter().find(|need| need.method == request.method()).ok_or_else(closed)?;
    if *right == Right::Probe {
        return Ok(Caller { holder: services.access.anonymous() });
    }
    let now = services.clock.read().wall;
    let holder = match services.access.holder(credentials(request.headers()), now) {
        Ok(holder) if holder.has(*right) => {
            let is_write = matches!(right, Right::Write | Right::Delete);
            if is_write && holder.id().is_none() {
                services.sites.check_anonymous_write(request.head())?;
            }
            let caller = Caller { holder };
            // Others are counted once their names are known, which may be outside the rights.
            if matches!(right, Right::Read | Right::Backup) {
                caller.note_allowed();
            }
            return Ok(caller);
        }
        other => other,
    };
    check_query(request.query_string(), now)?;
    Err(match holder {
        Ok(holder) if holder.id().is_some() || !services.access.has_tokens() => {
            let what = Forbidden { right: *right, token: None, pair: None };
            forbidden(request, services, &holder, what)
        }
        Ok(_) => unauthorized(request, services, Unauthorized::Missing),
        Err(reason) => unauthorized(request, services, reason),
    })
}

/// Counts and logs a request that its sender may not make.
fn forbidden(
    request: &HttpRequest,
    services: &Services,
    holder: &Holder,
    what: Forbidden,
) -> ApiError {
    holder.note(Use::Forbidden);
    let what = Forbidden { token: holder.id().cloned(), ..what };
    services.refusal_log.note_forbidden(request, &what);
    ApiError::Forbidden(Box::new(what))
}

/// Counts and logs a request without a valid token.
pub(super) fn unauthorized(
    request: &HttpRequest,
    services: &Services,
    reason: Unauthorized,
) -> ApiError {
    services.access.note_refused(&reason);
    services.metrics.tokens.note_unauthorized(&reason);
    services.refusal_log.note_unauthorized(request, &reason);
    // Makes browsers ask for a password.
    let offers_basic = is_read(request) && !is_of_script(request);
    ApiError::Unauthorized { reason, offers_basic }
}

/// Whether a request only reads.
pub(super) fn is_read(request: &HttpRequest) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
}

/// Whether a script of a page has sent a request. Its browser must not ask for a password: it would do
/// so again and again, without anything that a person has done.
fn is_of_script(request: &HttpRequest) -> bool {
    let headers = request.headers();
    let is_stream = |accepted: &HeaderValue| accepted == "text/event-stream";
    headers.contains_key(REQUESTED_WITH) || headers.get(ACCEPT).is_some_and(is_stream)
}

/// Returns the name of the token in a request, if it is valid.
pub(super) fn sender(request: &HttpRequest, services: &Services) -> Option<TokenId> {
    let now = services.clock.read().wall;
    let holder = services.access.holder(credentials(request.headers()), now).ok()?;
    holder.id().cloned()
}

/// The arguments of a handler that begin with its caller.
pub(super) trait WithCaller {}

impl<A> WithCaller for (Caller, A) {}
impl<A, B> WithCaller for (Caller, A, B) {}
impl<A, B, C> WithCaller for (Caller, A, B, C) {}
