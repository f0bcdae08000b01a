//! The HTTP side: every path, and the way from a request to an answer.
//!
//! Handlers are thin: who, what, do it, answer. What updates and filters mean is decided in the
//! domain, what rows look like in `render`, what JSON is accepted in `wire`.

mod answer;
mod badge;
mod bodies;
mod body;
mod caller;
mod coding;
mod connections;
mod document;
mod error;
mod etag;
mod events;
mod figures;
mod health;
mod history;
mod list;
mod measure;
mod methods;
mod metrics;
mod openapi;
mod pages;
mod places;
mod query;
mod question;
mod sending;
mod single_flight;
mod status;
mod timeline;
mod upgrade;
mod warning;
mod wire;
mod work;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::dev::HttpServiceFactory;
use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use actix_web::web::{self, ServiceConfig};
use actix_web::{Handler, HttpRequest, HttpResponse, Responder};

pub use bodies::Bodies;
pub use connections::Connections;
pub(crate) use connections::{note_connection, track};
pub use list::WholeLists;
pub use places::ConnectionLimits;
pub use sending::Sending;
pub use work::Work;

use self::error::ApiError;
use self::measure::Meter;
use crate::board::Board;
use crate::clock::Clock;
use crate::metrics::Metrics;

/// What every handler may use.
pub struct Services {
    /// Takes updates and shows the state.
    pub board: Board,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// The list of everything, made once for all who ask for it at the same time.
    pub whole_lists: WholeLists,
    /// Where the work of reads is done.
    pub work: Work,
    /// The bodies that are being received.
    pub bodies: Bodies,
    /// What answers share that are rendered as they are sent.
    pub sending: Sending,
    /// What requests may ask of the server.
    pub limits: Limits,
    /// Whether the server has been told to stop.
    pub stopping: Stopping,
    /// Counts what is done.
    pub metrics: Arc<Metrics>,
}

/// What requests may ask of the server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest body, inflated, in bytes.
    pub max_body_bytes: usize,
    /// How long a client may take to send a body.
    pub request_timeout: Duration,
    /// How many streams of changes may be open at once.
    pub max_event_streams: usize,
    /// How long a stream of changes may be silent.
    pub keep_alive: Duration,
}

/// Whether the server has been told to stop; clones are views of the same fact.
#[derive(Clone, Debug, Default)]
pub struct Stopping(Arc<AtomicBool>);

impl Stopping {
    /// Says that it has.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it has.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

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
    A: actix_web::FromRequest + 'static,
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
