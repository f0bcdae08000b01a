//! Whether the server is well: `/health` for people and old manifests, `/livez` and `/readyz`
//! for kubelets.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use super::coding::Coding;
use super::error::ApiError;
use super::openapi::schema;
use super::{Services, answer};

#[derive(Serialize)]
struct Health {
    status: &'static str,
    timestamp: String,
    tracked_repos: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
}

#[derive(Serialize)]
struct Probe {
    status: &'static str,
}

/// `GET /health`: always 200 while the process answers, since a restart mends no full disk.
#[utoipa::path(
    get,
    path = "/health",
    summary = "How the server is",
    responses(
        (status = 200, description = "It answers, and says whether updates can be stored", body = schema::Health),
    ),
)]
pub(super) async fn health(
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let is_storing = services.board.is_storing();
    let health = Health {
        status: if is_storing { "healthy" } else { "degraded" },
        timestamp: services.clock.read().wall.to_string(),
        tracked_repos: services.board.snapshot().listed(),
        message: (!is_storing).then_some("Updates cannot be stored; see the server's log"),
    };
    answer::small(&health, Coding::negotiate(request.headers()))
}

/// `GET /livez`: the process answers.
#[utoipa::path(
    get,
    path = "/livez",
    summary = "Whether the process answers",
    responses(
        (status = 200, description = "It does", body = schema::Probe),
    ),
)]
pub(super) async fn livez(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    answer::small(&Probe { status: "ok" }, Coding::negotiate(request.headers()))
}

/// `GET /readyz`: the state is loaded (the server does not listen before), and no stop has begun.
#[utoipa::path(
    get,
    path = "/readyz",
    summary = "Whether the server takes requests",
    responses(
        (status = 200, description = "It does", body = schema::Probe),
        (status = 503, description = "It is stopping", body = schema::Failure),
    ),
)]
pub(super) async fn readyz(
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    if services.stopping.has_begun() {
        return Err(ApiError::Stopping);
    }
    answer::small(&Probe { status: "ok" }, Coding::negotiate(request.headers()))
}
