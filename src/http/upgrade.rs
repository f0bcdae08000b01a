//! Requests that ask for a WebSocket. None is offered, but some proxies ask on every request.
//!
//! An `Upgrade` header that is not granted changes nothing (RFC 9110, section 7.8). actix-http sees
//! it otherwise: unless the body is chunked it ignores `Content-Length`, hands all that follows on
//! the connection to the handler, and sends a streamed answer without the sizes of its chunks.
//! This module puts both right. It must not know any path.

use actix_http::{HttpMessage as _, Payload, ResponseHead};
use actix_web::dev::ServiceRequest;
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_LENGTH, HeaderValue, UPGRADE};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};

/// Whether actix-http takes a request for the beginning of a WebSocket, by the same signs.
pub(super) fn is_taken_for_websocket(request: &ServiceRequest) -> bool {
    let mut protocols = request.headers().get_all(UPGRADE);
    let asks = protocols.any(|protocol| text(protocol).eq_ignore_ascii_case("websocket"));
    asks && !request.chunked().unwrap_or(false)
}

/// Ends the request's body where `Content-Length` says. What follows has been handed over with it,
/// and cannot become a request any more: the connection has to end with the answer.
pub(super) fn end_body(request: &mut ServiceRequest) {
    // actix-http has refused lengths that are doubled or no number.
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

/// Lets a streamed answer end with the connection, as it is sent.
pub(super) fn end_answer_with_connection(answer: &mut ResponseHead) {
    answer.no_chunking(true);
}

fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or_default().trim()
}
