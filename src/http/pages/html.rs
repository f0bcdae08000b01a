//! Answers in HTML: their headers, their context, and errors as pages.

use actix_web::body::BoxBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue,
    REFERRER_POLICY,
};
use actix_web::web::Data;
use actix_web::{Error, HttpRequest, HttpResponse, ResponseError};
use bytes::Bytes;
use percent_encoding::{CONTROLS, utf8_percent_encode};

use super::login;
use crate::access::{TokenId, Unauthorized, redacted};
use crate::http::coding::Coding;
use crate::http::error::ApiError;
use crate::http::services::{Links, Services};
use crate::http::{answer, caller};
use crate::page::{self, Account, PageContext, PageError};
use crate::render::RenderError;

/// The path of signing in.
const LOGIN: &str = "login";

pub(super) const MEDIA_TYPE: &str = "text/html; charset=utf-8";

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
    guard_head(response.headers_mut());
    response
}

fn guard_head(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// Returns the time, where links lead, and who reads the page.
pub(super) fn context(
    request: &HttpRequest,
    services: &Services,
    reader: Option<&TokenId>,
) -> PageContext {
    let Links { external_url, commits } = &services.links;
    let account = match reader {
        _ if !services.access.has_tokens() => Account::None,
        None => Account::signed_out(&address(request)),
        Some(id) => Account::signed_in(id.as_str(), &address(request)),
    };
    PageContext {
        account,
        now: services.clock.read().wall,
        origin: external_url.clone().unwrap_or_else(|| origin(request, services)),
        commits: commits.clone(),
    }
}

/// Returns the address of the page to which signing in leads back, relative to the path of that. Where
/// it holds a token, it is that of the overview: no answer shows one.
fn address(request: &HttpRequest) -> String {
    let address = whole_address(request);
    if redacted(&address) == address { address } else { login::OVERVIEW.to_owned() }
}

fn whole_address(request: &HttpRequest) -> String {
    let (path, query) = (request.path().trim_start_matches('/'), request.query_string());
    if path == LOGIN {
        return login::target(query);
    }
    let path = if path.is_empty() { login::OVERVIEW } else { path };
    let query = utf8_percent_encode(query, CONTROLS);
    if request.query_string().is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// Returns the address at which the client reaches the server, as far as the request tells.
fn origin(request: &HttpRequest, services: &Services) -> String {
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
    let is_tls = services.tls.is_some() || forwarded == Some("https");
    let scheme = if is_tls { "https" } else { "http" };
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
    page(request, error.status_code(), problem_text(request, services, error)?)
}

fn problem_text(
    request: &HttpRequest,
    services: &Services,
    error: &ApiError,
) -> Result<String, RenderError> {
    let heading = error.status_code().canonical_reason().unwrap_or("Error");
    let (sentence, lacks_right) = match error {
        ApiError::Unauthorized { reason: Unauthorized::Missing, .. } => {
            let how =
                "This needs a token: sign in with any user name, and the token as the password";
            (how.to_owned(), true)
        }
        ApiError::Unauthorized { .. } | ApiError::Forbidden(_) => (error.message(), true),
        _ => (error.message(), false),
    };
    let reader = caller::sender(request, services);
    let context = context(request, services, reader.as_ref());
    page::problem(heading, &format!("{sentence}."), lacks_right, &context).map_err(unwritable)
}

/// Serves a request for a page. If that fails, a browser gets the error as a page, which keeps its
/// status and its headers.
pub(in crate::http) fn with_errors_as_pages<S>(
    request: ServiceRequest,
    service: &S,
) -> impl Future<Output = Result<ServiceResponse, Error>> + use<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
{
    let response = service.call(request);
    async move { Ok(with_error_as_page(response.await?)) }
}

fn with_error_as_page(response: ServiceResponse) -> ServiceResponse {
    let request = response.request();
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
    let is_browser = accept.is_some_and(|accept| accept.contains("text/html"));
    let error = response.response().error().and_then(Error::as_error::<ApiError>);
    let services = request.app_data::<Data<Services>>();
    let (true, Some(error), Some(services)) = (is_browser, error, services) else {
        return response;
    };
    // Without a page the error is told in JSON.
    let Ok(text) = problem_text(request, services, error) else { return response };
    response.map_body(|head, _| {
        head.headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        guard_head(&mut head.headers);
        BoxBody::new(text)
    })
}

/// Returns the error of a page as one of rendering.
pub(super) fn unwritable(error: impl Into<PageError>) -> RenderError {
    match error.into() {
        PageError::GivenUp(given_up) => given_up.into(),
        PageError::Text(error) => RenderError::Text(error.into()),
    }
}
