//! What Prometheus is told: `GET /metrics`.

use std::sync::Arc;

use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};

use super::coding::Coding;
use super::error::ApiError;
use super::{Services, answer};
use crate::metrics::MEDIA_TYPE;
use crate::render::RenderError;

/// `GET /metrics`, whatever the parameters.
#[utoipa::path(
    get,
    path = "/metrics",
    summary = "What Prometheus is told",
    responses(
        (status = 200, description = "Prometheus text", body = String, content_type = "text/plain; version=0.0.4; charset=utf-8"),
    ),
)]
pub(super) async fn metrics(
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let coding = Coding::negotiate(request.headers());
    let metrics = Arc::clone(&services.metrics);
    let present = services.board.present();
    let parts = web::block(move || -> Result<_, RenderError> {
        let parts = metrics.text(present)?;
        match coding {
            Coding::Identity => Ok(parts),
            Coding::Gzip | Coding::Brotli => Ok(vec![coding.encode(&parts)?]),
        }
    });
    let parts = parts.await.map_err(|_| ApiError::Lost)??;
    Ok(answer::fleeting(MEDIA_TYPE, coding, parts))
}
