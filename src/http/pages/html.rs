//! Answers in HTML: their headers, their context, and errors as pages.

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CONTENT_SECURITY_POLICY, HOST, HeaderName, HeaderValue, REFERRER_POLICY,
};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use bytes::Bytes;

use crate::http::answer;
use crate::http::coding::Coding;
use crate::http::error::ApiError;
use crate::http::services::{Links, Services};
use crate::page::{self, PageContext, PageError};
use crate::render::RenderError;

pub(super) const MEDIA_TYPE: &str = "text/html; charset=utf-8";

/// A page that a browser kept would show old ages.
pub(super) const CACHE_CONTROL: &str = "no-store";

/// Forbid content from elsewhere, inline content, and frames of other sites around the button that
/// removes an entry. Keep the address of the page from sites that it links to.
const HEADERS: [(HeaderName, &str); 2] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
         connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'",
    ),
    (REFERRER_POLICY, "same-origin"),
];

/// Adds the security headers of pages.
pub(super) fn guarded(mut response: HttpResponse) -> HttpResponse {
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Returns the time, and where links lead.
pub(super) fn context(request: &HttpRequest, services: &Services) -> PageContext {
    let Links { external_url, commits } = &services.links;
    PageContext {
        now: services.clock.read().wall,
        origin: external_url.clone().unwrap_or_else(|| origin(request)),
        commits: commits.clone(),
    }
}

/// Returns the address at which the client reaches the server, as far as the request tells.
fn origin(request: &HttpRequest) -> String {
    let header = |name: HeaderName| request.headers().get(name)?.to_str().ok();
    // Only characters of a host: the page shows a command with it, to be pasted into a shell.
    let is_host = |host: &&str| {
        !host.is_empty()
            && host
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']'))
    };
    let host = header(HOST).filter(is_host).unwrap_or("localhost:8080");
    let forwarded = header(HeaderName::from_static("x-forwarded-proto"));
    let scheme = if forwarded == Some("https") { "https" } else { "http" };
    format!("{scheme}://{host}")
}

/// Answers with a page that has no entity tag.
pub(super) fn page(
    request: &HttpRequest,
    status: StatusCode,
    text: String,
) -> Result<HttpResponse, ApiError> {
    let coding = Coding::negotiate(request.headers());
    let parts = vec![coding.encode(&[Bytes::from(text)])?];
    let mut response = answer::uncached(MEDIA_TYPE, coding, parts);
    *response.status_mut() = status;
    Ok(guarded(response))
}

/// Answers with an error as a page, where the API answers in JSON.
pub(super) fn problem(
    request: &HttpRequest,
    services: &Services,
    error: &ApiError,
) -> Result<HttpResponse, ApiError> {
    let status = error.status_code();
    let heading = status.canonical_reason().unwrap_or("Error");
    let text = page::problem(heading, &error.message(), &context(request, services));
    page(request, status, text.map_err(unwritable)?)
}

/// Returns the error of a page as one of rendering.
pub(super) fn unwritable(error: impl Into<PageError>) -> RenderError {
    match error.into() {
        PageError::GivenUp(given_up) => given_up.into(),
        PageError::Text(error) => RenderError::Text(error.into()),
    }
}
