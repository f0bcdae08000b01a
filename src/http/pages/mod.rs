//! The pages for people: `GET /`, `/entry`, `/file`, and what they load.

mod asset;
pub(super) mod entry;
pub(super) mod file;
pub(super) mod overview;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CONTENT_SECURITY_POLICY, HOST, HeaderName, HeaderValue, REFERRER_POLICY,
};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use bytes::Bytes;

pub(super) use asset::asset;

use super::answer;
use super::coding::Coding;
use super::error::ApiError;
use super::services::Services;
use crate::page::{self, PageContext, PageError};
use crate::render::RenderError;

const MEDIA_TYPE: &str = "text/html; charset=utf-8";

/// Ages are of the moment: what a browser kept would show old ones.
const CACHE_CONTROL: &str = "no-store";

/// Nothing from elsewhere, nothing inline, no frame of another site around the button that takes
/// an entry out; and whom a link leads to does not learn where it was.
const HEADERS: [(HeaderName, &str); 2] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
         connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'",
    ),
    (REFERRER_POLICY, "same-origin"),
];

/// Adds what every page tells the browser to refuse.
fn guarded(mut response: HttpResponse) -> HttpResponse {
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Returns what time it is, and where the client reaches the server.
fn context(request: &HttpRequest, services: &Services) -> PageContext {
    let header = |name: HeaderName| request.headers().get(name)?.to_str().ok();
    // Only letters that a host has: the line is there to be pasted into a shell.
    let is_host = |host: &&str| {
        !host.is_empty()
            && host
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']'))
    };
    let host = header(HOST).filter(is_host).unwrap_or("localhost:8080");
    let forwarded = header(HeaderName::from_static("x-forwarded-proto"));
    let scheme = if forwarded == Some("https") { "https" } else { "http" };
    PageContext { now: services.clock.read().wall, origin: format!("{scheme}://{host}") }
}

/// Answers with a page that is made for this one request.
fn made(request: &HttpRequest, status: StatusCode, text: String) -> Result<HttpResponse, ApiError> {
    let coding = Coding::negotiate(request.headers());
    let parts = vec![coding.encode(&[Bytes::from(text)])?];
    let mut response = answer::fleeting(MEDIA_TYPE, coding, parts);
    *response.status_mut() = status;
    Ok(guarded(response))
}

/// Answers a person with a page where a program would get an error in JSON.
fn problem(
    request: &HttpRequest,
    services: &Services,
    error: &ApiError,
) -> Result<HttpResponse, ApiError> {
    let status = error.status_code();
    let heading = status.canonical_reason().unwrap_or("Error");
    let text = page::problem(heading, &error.to_string(), &context(request, services));
    made(request, status, text.map_err(unwritable)?)
}

fn unwritable(error: impl Into<PageError>) -> RenderError {
    match error.into() {
        PageError::GivenUp(given_up) => given_up.into(),
        PageError::Text(error) => RenderError::Text(error.into()),
    }
}
