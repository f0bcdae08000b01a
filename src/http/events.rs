//! Changes as they happen, as server-sent events: `GET /api/events`.
//!
//! A stream ends within a few seconds once its token may not read any more.
//!
//! A client that falls too far behind is cut off by `board::feed`, one that does not read at all by
//! `http::connections`.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use super::caller::Caller;
use super::connections;
use super::error::ApiError;
use super::query::QueryString;
use super::request_log::Asked;
use super::services::Services;
use crate::access::{Holder, Right};
use crate::board::{Listener, Step};
use crate::domain::{Column, Difference, Filter, Timestamp};
use crate::render::{self, Layout, RenderError, Shape};

/// The most that is handed over at once, so also the most that waits for a client that does not read.
const PIECE: usize = 64 * 1024;

/// Sent when nothing has changed for a while. The comment keeps proxies from closing the connection;
/// the event is for scripts, which browsers do not show comments.
const KEEP_ALIVE: &[u8] = b": keep-alive\nevent: alive\ndata: {}\n\n";

/// How often it is looked at whether the client may still read.
const LOOK_AT_HOLDER: Duration = Duration::from_secs(5);

/// How long a client should wait before it reconnects, in milliseconds.
const RETRY: u32 = 2000;

/// `GET /api/events`
pub(super) async fn events(
    caller: Caller,
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let EventsQuery { filter, layout, last_event_id } = EventsQuery::parse(request.query_string())?;
    let mut response = HttpResponse::Ok();
    response
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        // Keeps nginx from buffering.
        .insert_header(("X-Accel-Buffering", "no"));
    if request.method() == Method::HEAD {
        return Ok(response.streaming(stream::empty::<Result<Bytes, RenderError>>()));
    }
    if services.board.listeners() >= services.limits.max_event_streams {
        return Err(ApiError::TooManyStreams);
    }
    connections::note_stream(&request);
    // A browser that reconnects sends the header; the parameter is from when the page was opened.
    let remembered = request.headers().get("Last-Event-ID").and_then(|id| id.to_str().ok());
    let listener = services.board.listen(remembered.or(last_event_id.as_deref()));
    let events = EventStream {
        asked: Asked::of(&request),
        holder: caller.into_holder(),
        services,
        listener,
        filter,
        layout,
        has_begun: false,
        step: None,
    };
    let pieces = stream::unfold(events, |mut events| async move {
        let piece = events.next_piece().await.transpose()?;
        Some((piece.inspect_err(|error| events.asked.note_broken(error)), events))
    });
    Ok(response.streaming(pieces))
}

/// Checks a query string.
pub(super) fn check_query(query: &str, _: Timestamp) -> Result<(), ApiError> {
    EventsQuery::parse(query).map(drop)
}

/// Which changes a client listens to, how entries are written, and after which event.
struct EventsQuery {
    filter: Filter,
    layout: Layout,
    last_event_id: Option<String>,
}

impl EventsQuery {
    /// Reads filters, `fields` and `last_event_id`.
    fn parse(query: &str) -> Result<Self, ApiError> {
        let sent = QueryString::with_filters(query, &["fields", "last_event_id"])?;
        let shape = Shape::Nested;
        let columns = shape.columns().iter().map(|column| (Column::name(*column), *column));
        Ok(Self {
            filter: sent.filter()?,
            layout: Layout { shape, only: sent.fields(columns)? },
            last_event_id: sent.single("last_event_id")?.map(str::to_owned),
        })
    }
}

/// The stream of one client.
struct EventStream {
    asked: Asked,
    holder: Holder,
    services: Data<Services>,
    listener: Listener,
    filter: Filter,
    layout: Layout,
    has_begun: bool,
    /// The step that is being sent, and how many of its changes have been sent.
    step: Option<(Arc<Step>, usize)>,
}

/// The data of an event that an entry is gone.
#[derive(Serialize)]
struct Gone<'a> {
    repo: &'a str,
    server: &'a str,
}

impl EventStream {
    /// Waits for the next piece of the stream; `None` ends it.
    async fn next_piece(&mut self) -> Result<Option<Bytes>, RenderError> {
        if !self.has_begun {
            self.has_begun = true;
            return self.beginning().map(Some);
        }
        let alive_at = Instant::now() + self.services.limits.keep_alive;
        loop {
            if !self.may_go_on() {
                return Ok(None);
            }
            let until = alive_at.min(Instant::now() + LOOK_AT_HOLDER);
            let (step, sent) = match self.step.take() {
                Some(unfinished) => unfinished,
                None => match timeout_at(until, self.listener.hear()).await {
                    Ok(Some(step)) => (step, 0),
                    Ok(None) => return Ok(None),
                    Err(_) if until < alive_at => continue,
                    Err(_) => return Ok(Some(Bytes::from_static(KEEP_ALIVE))),
                },
            };
            let piece = self.piece(step, sent)?;
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
    }

    /// Whether the client may still read, by the tokens that are in force now.
    fn may_go_on(&self) -> bool {
        let Services { access, clock, .. } = &**self.services;
        let holder = access.again(&self.holder, clock.read().wall);
        holder.is_ok_and(|holder| holder.has(Right::Read))
    }

    fn beginning(&self) -> Result<Bytes, RenderError> {
        let mut out = Vec::new();
        let (id, resumed) = (self.listener.place(), self.listener.has_resumed);
        write!(out, "retry: {RETRY}\nid: {id}\n")?;
        write!(out, "event: start\ndata: {{\"resumed\":{resumed}}}\n\n")?;
        Ok(out.into())
    }

    /// Writes the changes of a step from `sent` on, up to the size of a piece.
    fn piece(&mut self, step: Arc<Step>, sent: usize) -> Result<Bytes, RenderError> {
        let mut out = Vec::new();
        for (index, change) in step.changes.iter().enumerate().skip(sent) {
            if out.len() >= PIECE {
                self.step = Some((step, index));
                return Ok(out.into());
            }
            self.write(&mut out, change)?;
        }
        // The id comes last and alone: a client that lost a part of the step gets all of it again.
        write!(out, "id: {}\n\n", self.listener.place())?;
        Ok(out.into())
    }

    fn write(&self, out: &mut Vec<u8>, change: &Difference) -> Result<(), RenderError> {
        let Difference { before, after } = change;
        let passing = |standing: &&_| self.filter.matches(*standing);
        if let Some(standing) = after.as_ref().filter(passing) {
            // A row is one line, because JSON escapes line ends.
            out.extend_from_slice(b"event: entry\ndata: ");
            render::json_row(out, standing, &self.layout)?;
        } else if let Some(standing) = before.as_ref().filter(passing) {
            let key = standing.entry().key();
            out.extend_from_slice(b"event: gone\ndata: ");
            serde_json::to_writer(&mut *out, &Gone { repo: key.repo, server: key.server })?;
        } else {
            return Ok(());
        }
        out.extend_from_slice(b"\n\n");
        Ok(())
    }
}
