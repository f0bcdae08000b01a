//! Changes as they happen, as server-sent events: `GET /api/events`.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;
use tokio::time::timeout;

use super::access::Caller;
use super::connections;
use super::error::ApiError;
use super::query::EventsQuery;
use super::services::Services;
use crate::board::{Listener, Step};
use crate::domain::{Difference, Filter};
use crate::render::{self, Layout, RenderError};

/// How much is handed over at once: what waits for a client that does not read is no more.
const PIECE: usize = 64 * 1024;

/// What is sent when there is nothing to tell: a comment, which keeps proxies content, and an event,
/// since browsers don't show scripts the comments.
const KEEP_ALIVE: &[u8] = b": keep-alive\nevent: alive\ndata: {}\n\n";

/// How long a client should wait before it comes back, in milliseconds.
const RETRY: u32 = 2000;

/// `GET /api/events`
pub(super) async fn events(
    _: Caller,
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let EventsQuery { filter, layout, last_event_id } = EventsQuery::parse(request.query_string())?;
    let mut response = HttpResponse::Ok();
    response
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-store"))
        // nginx would gather it up otherwise.
        .insert_header(("X-Accel-Buffering", "no"));
    if request.method() == Method::HEAD {
        return Ok(response.streaming(stream::empty::<Result<Bytes, RenderError>>()));
    }
    if services.board.listeners() >= services.limits.max_event_streams {
        return Err(ApiError::TooManyStreams);
    }
    connections::note_stream(&request);
    // What a browser remembers goes before what a page knew when it was opened.
    let remembered = request.headers().get("Last-Event-ID").and_then(|id| id.to_str().ok());
    let listener = services.board.listen(remembered.or(last_event_id.as_deref()));
    let telling = EventStream {
        listener,
        filter,
        layout,
        keep_alive: services.limits.keep_alive,
        has_begun: false,
        step: None,
    };
    let pieces = stream::unfold(telling, |mut telling| async move {
        let piece = telling.next_piece().await.transpose()?;
        Some((piece, telling))
    });
    Ok(response.streaming(pieces))
}

/// What one client is being told.
struct EventStream {
    listener: Listener,
    filter: Filter,
    layout: Layout,
    keep_alive: Duration,
    has_begun: bool,
    /// The step that is being told, and how many of its changes have been.
    step: Option<(Arc<Step>, usize)>,
}

#[derive(Serialize)]
struct Pair<'a> {
    repo: &'a str,
    server: &'a str,
}

impl EventStream {
    /// Waits for the next piece of the stream; `None` is its end.
    async fn next_piece(&mut self) -> Result<Option<Bytes>, RenderError> {
        if !self.has_begun {
            self.has_begun = true;
            return self.beginning().map(Some);
        }
        loop {
            let (step, told) = match self.step.take() {
                Some(unfinished) => unfinished,
                None => match timeout(self.keep_alive, self.listener.hear()).await {
                    Ok(Some(step)) => (step, 0),
                    Ok(None) => return Ok(None),
                    Err(_) => return Ok(Some(Bytes::from_static(KEEP_ALIVE))),
                },
            };
            let piece = self.piece(step, told)?;
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
    }

    fn beginning(&self) -> Result<Bytes, RenderError> {
        let mut out = Vec::new();
        let (id, resumed) = (self.listener.place(), self.listener.has_resumed);
        write!(out, "retry: {RETRY}\nid: {id}\n")?;
        write!(out, "event: start\ndata: {{\"resumed\":{resumed}}}\n\n")?;
        Ok(out.into())
    }

    /// Tells what comes next of a step, as much as makes a piece.
    fn piece(&mut self, step: Arc<Step>, told: usize) -> Result<Bytes, RenderError> {
        let mut out = Vec::new();
        for (place, change) in step.changes.iter().enumerate().skip(told) {
            if out.len() >= PIECE {
                self.step = Some((step, place));
                return Ok(out.into());
            }
            self.write(&mut out, change)?;
        }
        // By itself and last, so that a step that is cut short is told again as a whole.
        write!(out, "id: {}\n\n", self.listener.place())?;
        Ok(out.into())
    }

    fn write(&self, out: &mut Vec<u8>, change: &Difference) -> Result<(), RenderError> {
        let Difference { before, after } = change;
        let passing = |standing: &&_| self.filter.matches(*standing);
        if let Some(standing) = after.as_ref().filter(passing) {
            // No line ends in the middle: JSON escapes what would end it.
            out.extend_from_slice(b"event: entry\ndata: ");
            render::json_row(out, standing, &self.layout)?;
        } else if let Some(standing) = before.as_ref().filter(passing) {
            let key = standing.entry().key();
            out.extend_from_slice(b"event: gone\ndata: ");
            serde_json::to_writer(&mut *out, &Pair { repo: key.repo, server: key.server })?;
        } else {
            return Ok(());
        }
        out.extend_from_slice(b"\n\n");
        Ok(())
    }
}
