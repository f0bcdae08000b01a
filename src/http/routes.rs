//! Every path of the API, and the handler of each.

use actix_web::dev::HttpServiceFactory;
use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{FromRequest, Handler, HttpRequest, HttpResponse, Responder};

use super::error::ApiError;
use super::measure::{self, Meter};
use super::services::Services;
use super::{
    badge, events, figures, health, history, list, methods, metrics, openapi, pages, status,
    timeline,
};

/// Every path of the API.
pub(crate) fn routes(paths: &mut ServiceConfig) {
    let updates = Meter::new("/api/status");
    paths
        .service(
            web::resource("/api/status")
                .route(web::post().to(status::post))
                .route(web::delete().to(status::delete))
                .default_service(methods::others("POST, DELETE"))
                .wrap_fn(move |request, service| updates.measure(request, service)),
        )
        .service(reading("/status.json", list::status_json))
        .service(reading("/status.csv", list::status_csv))
        .service(reading("/api/history", history::history))
        .service(reading("/api/timeline", timeline::timeline))
        .service(reading("/api/events", events::events))
        .service(reading("/api/summary", figures::summary))
        .service(reading("/api/repos", figures::repos))
        .service(reading("/api/servers", figures::servers))
        .service(reading("/api/files", figures::files))
        .service(reading("/badge.svg", badge::badge))
        .service(reading("/", pages::overview::overview))
        .service(reading("/entry", pages::entry::entry))
        .service(reading("/file", pages::file::file))
        .service(reading("/assets/{name}", pages::asset))
        .service(reading("/metrics", metrics::metrics))
        .service(reading("/openapi.json", openapi::openapi))
        .service(reading("/health", health::health))
        .service(reading("/livez", health::livez))
        .service(reading("/readyz", health::readyz))
        .default_service(web::to(no_such_path));
}

/// A path that can only be read: by GET, and by HEAD for the same without a body.
fn reading<H, A>(path: &'static str, handler: H) -> impl HttpServiceFactory + 'static
where
    H: Handler<A> + Clone,
    A: FromRequest + 'static,
    H::Output: Responder + 'static,
{
    let meter = Meter::new(path);
    web::resource(path)
        .route(web::get().to(handler.clone()))
        .route(web::head().to(handler))
        .default_service(methods::others("GET, HEAD"))
        .wrap_fn(move |request, service| meter.measure(request, service))
}

async fn no_such_path(
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    // `OPTIONS *` asks about the server, not about a path.
    if request.method() == Method::OPTIONS && request.path() == "*" {
        measure::note_no_route(&request, &services, StatusCode::NO_CONTENT);
        return Ok(methods::options("GET, HEAD, POST, DELETE"));
    }
    measure::note_no_route(&request, &services, StatusCode::NOT_FOUND);
    Err(ApiError::NoSuchPath)
}
