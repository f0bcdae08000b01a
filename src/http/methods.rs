//! The methods of requests, and the answers to those that a path has no handler for.

use actix_web::http::Method;
use actix_web::http::header::ALLOW;
use actix_web::{HttpResponse, Route, web};

use super::error::ApiError;

/// Answers `OPTIONS` with the methods of a path, and refuses the others. Load balancers send
/// `OPTIONS` to find out whether the server is up.
pub(super) fn others(allowed: String) -> Route {
    web::to(move |method: Method| {
        let answer = match method {
            Method::OPTIONS => Ok(options(&allowed)),
            _ => Err(ApiError::MethodNotAllowed { allowed: allowed.clone() }),
        };
        async { answer }
    })
}

/// Answers `OPTIONS`.
pub(super) fn options(allowed: &str) -> HttpResponse {
    HttpResponse::NoContent().insert_header((ALLOW, allowed)).finish()
}

/// Returns a method's name as metrics and the log may show it: clients can make up any number of
/// methods.
pub(super) fn name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
