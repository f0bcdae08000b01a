//! The watch over each request: what its connection is doing until its answer has been handed over.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_http::ConnectionType;
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse};
use actix_web::http::Version;
use actix_web::{Error, HttpMessage, HttpRequest};
use bytes::Bytes;

use super::activity::UnderWay;
use super::registry::Tracked;
use super::upgrade;
use crate::http::error::ApiError;
use crate::http::request_log::{self, Line};
use crate::http::stopping::Stopping;

/// Notes that a request's body will be read, and its length unless it is chunked. Otherwise no more
/// of it arrives than came with its head.
pub(in crate::http) fn expect_body(request: &HttpRequest, length: usize) {
    if let Some(tracked) = Tracked::of(request) {
        tracked.activity.body.expect(length);
    }
}

/// Notes that a request's body makes progress.
pub(in crate::http) fn note_progress(request: &HttpRequest) {
    if let Some(tracked) = Tracked::of(request) {
        tracked.activity.note_progress();
    }
}

/// Notes that a request's body has been read to its end.
pub(in crate::http) fn note_body_end(request: &HttpRequest) {
    if let Some(tracked) = Tracked::of(request) {
        tracked.activity.note_body_end();
    }
}

/// Notes that the answer has no end, so that the program does not wait for it when it stops.
pub(in crate::http) fn note_stream(request: &HttpRequest) {
    if let Some(tracked) = Tracked::of(request) {
        tracked.activity.note_stream();
    }
}

/// Returns why a request's body has broken off.
pub(in crate::http) fn why_body_broke_off(request: &HttpRequest) -> ApiError {
    match Tracked::of(request) {
        Some(tracked) if tracked.activity.is_closed_for_reading() => ApiError::Closing,
        _ => ApiError::InvalidJson("the body broke off, or its chunks are wrong".to_owned()),
    }
}

/// Serves a request, and keeps note of it until its answer has been handed over in full. Closes the
/// connection with the answer if it has to end. Logs the request.
pub(crate) fn track<S, B>(
    mut request: ServiceRequest,
    service: &S,
    stopping: Stopping,
) -> impl Future<Output = Result<ServiceResponse<impl MessageBody + use<S, B>>, Error>> + use<S, B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    let activity = request.conn_data::<Tracked>().map(|tracked| Arc::clone(&tracked.activity));
    let is_chunked = request.chunked().unwrap_or(false);
    // No upgrade is offered. actix closes the connection after answering a request for one.
    let asks_for_upgrade = request.head().upgrade();
    let is_taken_for_websocket = upgrade::is_taken_for_websocket(&request);
    let takes_no_chunks = is_taken_for_websocket || request.version() < Version::HTTP_11;
    if is_taken_for_websocket {
        upgrade::end_body(&mut request);
    }
    let has_body = !matches!(request.parts().1, Payload::None);
    let under_way = activity.map(|activity| UnderWay::begin(activity, has_body, is_chunked));
    let began = request_log::begin();
    let response = service.call(request);
    async move {
        let mut response = response.await?;
        request_log::note_answer(&response);
        let is_unread = under_way.as_ref().is_some_and(UnderWay::has_unread_body);
        let is_stream = response.response().body().size() == BodySize::Stream;
        // Closing after a stream would make room only much later.
        let gives_way = || {
            let tracked = Tracked::of(response.request());
            !is_stream && tracked.is_some_and(Tracked::should_give_way)
        };
        let shows_its_end = !(is_stream && takes_no_chunks);
        let has_to_end = asks_for_upgrade || is_taken_for_websocket || is_unread || !shows_its_end;
        let is_last = has_to_end || stopping.has_begun() || gives_way();
        let head = response.response_mut().head_mut();
        if is_last {
            head.set_connection_type(ConnectionType::Close);
        }
        if takes_no_chunks {
            upgrade::end_answer_with_connection(head);
        }
        let line = began.map(|began| Box::new(Line::of(&response, began)));
        Ok(response.map_body(|_, body| TrackedBody { body: Box::pin(body), under_way, line }))
    }
}

/// A body that notes progress with every piece that is handed over.
struct TrackedBody<B> {
    body: Pin<Box<B>>,
    under_way: Option<UnderWay>,
    /// `None` unless requests are logged, so a pointer.
    line: Option<Box<Line>>,
}

impl<B: MessageBody> MessageBody for TrackedBody<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if let Some(under_way) = &self.under_way {
            under_way.note_progress();
        }
        let polled = self.body.as_mut().poll_next(context);
        if let (Some(line), Poll::Ready(Some(Ok(piece)))) = (&mut self.line, &polled) {
            line.note_piece(piece);
        }
        polled
    }
}
