//! Who sends a request: finds the token in it, and refuses callers without the right that the route
//! needs.

use std::borrow::Cow;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, HeaderName};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::ApiError;
use super::services::Services;
use crate::access::{Holder, Right, TokenId, Unauthorized};
use crate::domain::{Actor, KeyRef, Timestamp};

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

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

    /// Whether the caller has sent no token.
    pub(super) fn is_anonymous(&self) -> bool {
        self.holder.id().is_none()
    }

    /// Checks a right for a pair, which need not exist.
    ///
    /// # Errors
    /// 403.
    pub(super) fn check(
        &self,
        right: Right,
        key: KeyRef<'_>,
        services: &Services,
    ) -> Result<(), ApiError> {
        if self.holder.covers(right, key) {
            return Ok(());
        }
        note_use(services, self.holder.id(), "forbidden");
        Err(ApiError::OutsideRights { right, repo: key.repo.into(), server: key.server.into() })
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
    let sent = credentials(request);
    let holder = match services.access.holder(sent.iter().map(Cow::as_ref), now) {
        Ok(holder) if holder.has(*right) => {
            note_use(services, holder.id(), "allowed");
            return Ok(Caller { holder });
        }
        other => other,
    };
    check_query(request.query_string(), now)?;
    Err(match holder {
        Ok(holder) if holder.id().is_some() || !services.access.has_tokens() => {
            note_use(services, holder.id(), "forbidden");
            ApiError::Forbidden { right: *right, has_token: holder.id().is_some() }
        }
        Ok(_) => unauthorized(request, services, &Unauthorized::Missing),
        Err(reason) => unauthorized(request, services, &reason),
    })
}

fn unauthorized(request: &HttpRequest, services: &Services, reason: &Unauthorized) -> ApiError {
    let tokens = &services.metrics.tokens;
    match reason {
        Unauthorized::Missing => tokens.note_unauthorized("missing"),
        Unauthorized::Malformed => tokens.note_unauthorized("malformed"),
        Unauthorized::UnknownId => tokens.note_unauthorized("unknown_id"),
        Unauthorized::WrongSecret(id) => tokens.note_request(id.as_str(), "wrong_secret"),
        Unauthorized::Expired(id) => tokens.note_request(id.as_str(), "expired"),
    }
    services.update_log.note_unauthorized(request, reason);
    let offers_basic = matches!(*request.method(), Method::GET | Method::HEAD);
    ApiError::Unauthorized { is_missing: *reason == Unauthorized::Missing, offers_basic }
}

/// Counts a request with a token.
fn note_use(services: &Services, id: Option<&TokenId>, outcome: &'static str) {
    if let Some(id) = id {
        services.metrics.tokens.note_request(id.as_str(), outcome);
    }
}

/// Returns what may be a token, from each place for one: `Authorization: Bearer`, the password of
/// `Authorization: Basic`, and `X-Api-Key`.
fn credentials(request: &HttpRequest) -> Vec<Cow<'_, str>> {
    let headers = request.headers();
    let authorizations = headers.get_all(AUTHORIZATION).filter_map(|value| value.to_str().ok());
    let sent = authorizations.filter_map(|value| {
        let (scheme, rest) = value.split_once(' ')?;
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("bearer") {
            Some(Cow::Borrowed(rest))
        } else if scheme.eq_ignore_ascii_case("basic") {
            password(rest).map(Cow::Owned)
        } else {
            None
        }
    });
    let keys = headers.get_all(API_KEY).filter_map(|value| value.to_str().ok());
    sent.chain(keys.map(|key| Cow::Borrowed(key.trim()))).collect()
}

/// Returns the password of Basic authentication.
fn password(encoded: &str) -> Option<String> {
    let pair = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (_, password) = pair.split_once(':')?;
    Some(password.to_owned())
}

/// The arguments of a handler that begin with its caller.
pub(super) trait WithCaller {}

impl<A> WithCaller for (Caller, A) {}
impl<A, B> WithCaller for (Caller, A, B) {}
impl<A, B, C> WithCaller for (Caller, A, B, C) {}
