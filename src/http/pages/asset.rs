//! What pages load: `GET /assets/...`.

use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use actix_web::web::{Data, Path};
use bytes::Bytes;

use crate::http::Services;
use crate::http::coding::Coding;
use crate::http::error::ApiError;
use crate::page::{self, Asset};

/// `GET /assets/{name}`: the name changes with the content, so it may be kept for ever.
pub(in crate::http) async fn asset(
    request: HttpRequest,
    name: Path<String>,
    _: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let Asset { name: _, media_type, content } = page::asset(&name).ok_or(ApiError::NoSuchPath)?;
    let coding = Coding::negotiate(request.headers());
    let mut response = HttpResponse::Ok();
    response
        .insert_header((CONTENT_TYPE, *media_type))
        .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .insert_header((VARY, "Accept-Encoding"));
    if let Some(name) = coding.name() {
        response.insert_header((CONTENT_ENCODING, name));
    }
    Ok(response.body(coding.encode(&[Bytes::from_static(content.as_bytes())])?))
}
