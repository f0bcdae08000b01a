//! What a path answers to the methods that it has no handler for.

use actix_web::http::Method;
use actix_web::http::header::ALLOW;
use actix_web::{HttpResponse, Route, web};

use super::error::ApiError;

/// Tells `OPTIONS` which methods a path has, and refuses the others. Load balancers ask `OPTIONS`
/// to find out whether the server is up.
pub(super) fn others(allowed: &'static str) -> Route {
    web::to(move |method: Method| async move {
        match method {
            Method::OPTIONS => Ok(options(allowed)),
            _ => Err(ApiError::MethodNotAllowed { allowed }),
        }
    })
}

/// Answers `OPTIONS`.
pub(super) fn options(allowed: &'static str) -> HttpResponse {
    HttpResponse::NoContent().insert_header((ALLOW, allowed)).finish()
}
