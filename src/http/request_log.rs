//! The log of requests: a line for each at level debug, and the faults behind failed answers.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::{Error, HttpRequest};
use bytes::Bytes;
use log::Level;
use tokio::time::Instant;

use super::error::ApiError;
use super::methods;

/// What `RUST_LOG` calls this log: `RUST_LOG=requests=debug` turns it on.
const TARGET: &str = "requests";

/// Serves a request, logs the fault if it fails by one, and logs the request itself once its answer
/// has been handed over in full.
pub(crate) fn log_request<S, B>(
    request: ServiceRequest,
    service: &S,
) -> impl Future<Output = Result<ServiceResponse<impl MessageBody + use<S, B>>, Error>> + use<S, B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody + Unpin,
{
    let began = log::log_enabled!(target: TARGET, Level::Debug).then(Instant::now);
    let response = service.call(request);
    async move {
        let response = response.await?;
        if let Some(error) = response.response().error().and_then(Error::as_error::<ApiError>) {
            note_fault(response.request(), error);
        }
        let line = began.map(|began| Line {
            asked: Asked::of(response.request()),
            status: response.status(),
            bytes: 0,
            began,
        });
        Ok(response.map_body(|_, body| LoggedBody { body, line }))
    }
}

/// Logs the fault behind an error, with the request that met it.
pub(super) fn note_fault(request: &HttpRequest, error: &ApiError) {
    if let Some(fault) = error.fault() {
        log::error!("{} failed: {fault}", Asked::of(request));
    }
}

/// What a request asked for, and who sent it.
struct Asked {
    method: &'static str,
    /// The pattern of the path, since paths are the clients' to choose.
    route: String,
    caller: String,
}

impl Asked {
    fn of(request: &HttpRequest) -> Self {
        let address = request.peer_addr().map(|address| address.ip().to_canonical().to_string());
        Self {
            method: methods::name(request.method()),
            route: request.match_pattern().unwrap_or_else(|| "none".to_owned()),
            caller: address.unwrap_or_else(|| "unknown".to_owned()),
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, route, caller } = self;
        write!(f, "{method} {route} from {caller}")
    }
}

/// The line of a request; logged when this is dropped.
struct Line {
    asked: Asked,
    status: StatusCode,
    /// How much of the answer's body has been handed over. The body of an answer to HEAD is not sent.
    bytes: usize,
    began: Instant,
}

impl Drop for Line {
    fn drop(&mut self) {
        let Self { asked, status, bytes, began } = self;
        let millis = began.elapsed().as_secs_f64() * 1000.0;
        let status = status.as_u16();
        log::debug!(target: TARGET, "{asked}: {status}, {bytes} bytes, {millis:.1} ms");
    }
}

/// A body that counts for the line of its request, if requests are logged.
struct LoggedBody<B> {
    body: B,
    line: Option<Line>,
}

impl<B: MessageBody + Unpin> MessageBody for LoggedBody<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_next(context);
        if let (Some(line), Poll::Ready(Some(Ok(piece)))) = (&mut self.line, &polled)
            && line.asked.method != "HEAD"
        {
            line.bytes += piece.len();
        }
        polled
    }
}
