//! The style sheet and the scripts that pages load: `GET /assets/...`.

use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;

use crate::http::answer;
use crate::http::caller::Caller;
use crate::http::coding::Coding;
use crate::http::error::ApiError;
use crate::page::{self, Asset};

/// The name changes with the content.
const CACHE_CONTROL: &str = "public, max-age=31536000, immutable";

/// `GET /assets/{name}`
pub(in crate::http) async fn asset(
    _: Caller,
    request: HttpRequest,
    name: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let asset = page::asset(&name).ok_or(ApiError::NoSuchPath { meant: None })?;
    let Asset { name: _, media_type, content } = asset;
    let coding = Coding::negotiate(request.headers());
    let parts = vec![coding.encode(&[Bytes::from_static(content.as_bytes())])?];
    Ok(answer::untagged(media_type, CACHE_CONTROL, coding, parts))
}
