//! Requests that ask for a WebSocket. The server offers none, but some proxies ask on every request.
//!
//! An `Upgrade` header that is not granted changes nothing (RFC 9110, section 7.8). actix-http
//! disagrees: unless the body is chunked, it ignores `Content-Length`, takes everything that follows
//! on the connection for the body, and sends a streamed answer without chunk sizes. This module
//! corrects both. It must not know any path.

use actix_http::{HttpMessage as _, Payload, ResponseHead};
use actix_web::dev::ServiceRequest;
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_LENGTH, HeaderValue, UPGRADE};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};

/// Whether actix-http takes a request for the beginning of a WebSocket; the same test as its own.
pub(super) fn is_taken_for_websocket(request: &ServiceRequest) -> bool {
    let mut protocols = request.headers().get_all(UPGRADE);
    let asks = protocols.any(|protocol| text(protocol).eq_ignore_ascii_case("websocket"));
    asks && !request.chunked().unwrap_or(false)
}

/// Ends the request's body where `Content-Length` says. actix-http has handed over what follows as
/// part of the body and will not parse it as a request, so the connection has to end with the
/// answer.
pub(super) fn end_body(request: &mut ServiceRequest) {
    // actix-http has refused lengths that are repeated or not a number.
    let length = request.headers().get(CONTENT_LENGTH).and_then(|value| text(value).parse().ok());
    let length = length.unwrap_or(0_usize);
    let all = request.take_payload();
    if length == 0 {
        return;
    }
    let body = stream::unfold((all, length), |(mut payload, missing)| async move {
        if missing == 0 {
            return None;
        }
        let chunk = payload.next().await.unwrap_or(Err(PayloadError::Incomplete(None)));
        let chunk = chunk.map(|chunk| chunk.slice(..chunk.len().min(missing)));
        let received = chunk.as_ref().map_or(missing, Bytes::len);
        Some((chunk, (payload, missing - received)))
    });
    request.set_payload(Payload::Stream { payload: Box::pin(body) });
}

/// Sends a streamed answer without chunks: it ends with the connection.
pub(super) fn end_answer_with_connection(answer: &mut ResponseHead) {
    answer.no_chunking(true);
}

fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or_default().trim()
}
