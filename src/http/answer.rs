//! Successful answers: their headers, and bodies that are handed over in pieces.

use std::error::Error;

use actix_web::body::{BodySize, BoxBody, MessageBody, SizedStream};
use actix_web::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, VARY};
use actix_web::{HttpResponse, HttpResponseBuilder};
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;

use super::coding::Coding;
use super::error::ApiError;
use super::etag::Tag;
use crate::render::RenderError;

/// How much of a body is handed to the connection at once. It copies each piece, so larger ones cost
/// memory for each slow client, and smaller ones cost system calls.
pub(super) const PIECE: usize = 192 * 1024;

/// An answer to GET that has an entity tag.
pub(super) struct Content {
    pub(super) media_type: &'static str,
    pub(super) cache_control: &'static str,
    pub(super) coding: Coding,
    /// How many rows there are before limit and offset, if the answer has rows.
    pub(super) total: Option<usize>,
    pub(super) body: BoxBody,
}

/// 200 with an entity tag.
pub(super) fn content(tag: &Tag, content: Content) -> HttpResponse {
    let Content { media_type, cache_control, coding, total, body } = content;
    let mut response = head(media_type, cache_control, coding);
    response.insert_header((ETAG, tag.as_str()));
    if let Some(total) = total {
        response.insert_header(("X-Total-Count", total));
    }
    response.body(body)
}

/// 304: the client has the answer already.
pub(super) fn not_modified(tag: &Tag, cache_control: &'static str) -> HttpResponse {
    HttpResponse::NotModified()
        .insert_header((ETAG, tag.as_str()))
        .insert_header((CACHE_CONTROL, cache_control))
        .insert_header((VARY, "Accept-Encoding"))
        .finish()
}

/// 200 with JSON, for requests other than GET.
pub(super) fn json(text: impl MessageBody + 'static) -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/json")).body(text)
}

/// 200 with a small value as JSON, which nobody may keep.
pub(super) fn small(value: &impl Serialize, coding: Coding) -> Result<HttpResponse, ApiError> {
    let text = serde_json::to_vec(value).map_err(RenderError::from)?;
    let parts = vec![coding.encode(&[text.into()])?];
    Ok(uncached("application/json", coding, parts))
}

/// 200 with an encoded body, which nobody may keep.
pub(super) fn uncached(
    media_type: &'static str,
    coding: Coding,
    parts: Vec<Bytes>,
) -> HttpResponse {
    untagged(media_type, "no-store", coding, parts)
}

/// 200 with an encoded body and without an entity tag.
pub(super) fn untagged(
    media_type: &'static str,
    cache_control: &'static str,
    coding: Coding,
    parts: Vec<Bytes>,
) -> HttpResponse {
    let mut response = head(media_type, cache_control, coding);
    response.body(in_pieces(parts))
}

/// 200 with the headers that every answer to GET has.
pub(super) fn head(
    media_type: &'static str,
    cache_control: &'static str,
    coding: Coding,
) -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response
        .insert_header((CONTENT_TYPE, media_type))
        .insert_header((CACHE_CONTROL, cache_control))
        .insert_header((VARY, "Accept-Encoding"));
    if let Some(name) = coding.name() {
        response.insert_header((CONTENT_ENCODING, name));
    }
    response
}

/// Returns a body of bytes that are in memory already.
pub(super) fn in_pieces(parts: Vec<Bytes>) -> BoxBody {
    in_time(parts, || Ok::<_, std::convert::Infallible>(()))
}

/// Returns a body of bytes that are in memory already. It breaks off when `is_in_time` fails.
pub(super) fn in_time<E: Into<Box<dyn Error>> + 'static>(
    parts: Vec<Bytes>,
    is_in_time: impl Fn() -> Result<(), E> + 'static,
) -> BoxBody {
    let length: usize = parts.iter().map(Bytes::len).sum();
    if length <= PIECE {
        return BoxBody::new(joined(parts));
    }
    let pieces = parts.into_iter().flat_map(|mut part| {
        std::iter::from_fn(move || (!part.is_empty()).then(|| part.split_to(part.len().min(PIECE))))
    });
    let stream = stream::iter(pieces.map(move |piece| is_in_time().map(|()| piece)));
    let body = SizedStream::new(length as u64, stream);
    debug_assert!(matches!(body.size(), BodySize::Sized(_)), "so that the length is sent");
    BoxBody::new(body)
}

fn joined(mut parts: Vec<Bytes>) -> Bytes {
    if parts.len() == 1 { parts.remove(0) } else { parts.concat().into() }
}
