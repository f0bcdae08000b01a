//! What Prometheus is told: `GET /metrics`.

use std::sync::Arc;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::coding::Coding;
use super::error::ApiError;
use super::openapi::schema;
use super::{Services, answer};
use crate::metrics::MEDIA_TYPE;

/// `GET /metrics`, whatever the parameters.
#[utoipa::path(
    get,
    path = "/metrics",
    summary = "What Prometheus is told",
    responses(
        (status = 200, description = "Prometheus text", body = String, content_type = "text/plain; version=0.0.4; charset=utf-8"),
        (status = 503, description = "Too much is being asked at once, or it takes too long", body = schema::Failure),
    ),
)]
pub(super) async fn metrics(
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let coding = Coding::negotiate(request.headers());
    let metrics = Arc::clone(&services.metrics);
    let board = services.board.clone();
    let parts = services.work.metrics.run(&request, move |_| {
        let parts = metrics.text(board.present())?;
        match coding {
            Coding::Identity => Ok(parts),
            Coding::Gzip | Coding::Brotli => Ok(vec![coding.encode(&parts)?]),
        }
    });
    Ok(answer::fleeting(MEDIA_TYPE, coding, parts.await?))
}
