//! Metrics for Prometheus: `GET /metrics`.

use std::sync::Arc;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::answer;
use super::caller::Caller;
use super::coding::Coding;
use super::error::ApiError;
use super::services::Services;
use crate::metrics::MEDIA_TYPE;

/// `GET /metrics`. Ignores parameters.
pub(super) async fn metrics(
    _: Caller,
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let coding = Coding::negotiate(request.headers());
    let metrics = Arc::clone(&services.metrics);
    let (board, access) = (services.board.clone(), Arc::clone(&services.access));
    let parts = services.work.metrics.run(&request, move |_| {
        let parts = metrics.text(&board.gauges(), &access);
        match coding {
            Coding::Identity => Ok(parts),
            Coding::Gzip | Coding::Brotli => Ok(vec![coding.encode(&parts)?]),
        }
    });
    let parts = parts.await?;
    let body = services.scrapes.body(parts, coding, services.clock.monotonic());
    Ok(answer::head(MEDIA_TYPE, "no-store", coding).body(body))
}
