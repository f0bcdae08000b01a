//! The description of the API for programs: `GET /openapi.json`.
//!
//! `docs/openapi.json` is the source. Tests hold it against the paths, methods, parameters and
//! answers of the server.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;

use super::answer;
use super::caller::Caller;
use super::coding::Coding;
use super::error::ApiError;
use super::services::Services;

const DESCRIPTION: &[u8] = include_bytes!("../../docs/openapi.json").trim_ascii_end();

/// `GET /openapi.json`
pub(super) async fn openapi(
    _: Caller,
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let coding = Coding::negotiate(request.headers());
    let encode = move || coding.encode(&[Bytes::from_static(DESCRIPTION)]);
    let encoded = services.work.short_reads.run(&request, move |_| encode()).await?;
    Ok(answer::uncached("application/json", coding, vec![encoded]))
}
