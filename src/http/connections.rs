//! Open connections: which of them make progress, and the end of those that don't.
//!
//! actix limits the time of a connection's first request head only. A client that drips a body or
//! a second head, or reads nothing of an answer, would keep its connection for ever. And it reads on
//! for as long as a chunked body goes on that nobody wants.

use std::any::Any;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::{ConnectionType, Extensions};
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse};
use actix_web::http::Version;
use actix_web::{Error, HttpMessage, HttpRequest};
use bytes::Bytes;
use socket2::SockRef;
use tokio::time::Instant;

use super::error::ApiError;
use super::places::{ConnectionLimits, Places};
use super::services::Stopping;
use super::upgrade;
use crate::metrics::{Closing, ConnectionCounts};

/// How long an answered client may go on sending a body that is not read, in milliseconds; as long
/// as actix gives those that have said how long it is. An end at once could destroy the answer.
const LINGER: u64 = 1000;

/// How much of an answer the system takes before it has sent it, in bytes. By itself it takes
/// megabytes at once, and a slow client that reads them looks as if it made no progress. Much less
/// than this costs speed: the compressed list of 20,000 entries should go out at once.
const UNSENT: u32 = 256 * 1024;

/// All open connections; clones are views of the same ones.
#[derive(Clone, Debug)]
pub struct Connections(Arc<Registry>);

#[derive(Debug)]
struct Registry {
    started: Instant,
    places: Mutex<Places>,
    /// How many connections should end with their answers: so many are too many, and none is idle.
    excess: AtomicUsize,
    /// How long a client may take nothing of what it is sent.
    patience: Duration,
    counts: ConnectionCounts,
}

/// What a connection is doing.
#[derive(Debug)]
pub(super) struct Activity {
    started: Instant,
    /// When it last made progress, in milliseconds after `started`.
    progress_at: AtomicU64,
    /// Whether a request has come.
    has_asked: AtomicBool,
    /// How many of its requests have not been answered in full.
    requests: AtomicUsize,
    /// Whether the body of the present request is chunked and has not been read to its end.
    has_unread_body: AtomicBool,
    /// Whether the present request has been received whole, and its answer has an end.
    awaits_end: AtomicBool,
    /// Whether nothing more is read of it, by this program's own decision.
    is_closed_for_reading: AtomicBool,
}

impl Activity {
    fn begin(started: Instant) -> Self {
        Self {
            started,
            progress_at: AtomicU64::new(millis_since(started)),
            has_asked: AtomicBool::new(false),
            requests: AtomicUsize::new(0),
            has_unread_body: AtomicBool::new(false),
            awaits_end: AtomicBool::new(false),
            is_closed_for_reading: AtomicBool::new(false),
        }
    }

    fn note(&self) {
        self.progress_at.store(millis_since(self.started), Ordering::Relaxed);
    }

    fn is_unanswered(&self) -> bool {
        self.requests.load(Ordering::Relaxed) > 0 && self.awaits_end.load(Ordering::Relaxed)
    }

    /// Returns when it last made progress, in milliseconds after all began.
    pub(super) fn progress_at(&self) -> u64 {
        self.progress_at.load(Ordering::Relaxed)
    }

    pub(super) fn has_asked(&self) -> bool {
        self.has_asked.load(Ordering::Relaxed)
    }

    /// Takes note that nothing more is read; before that is so, since a request may come just then.
    pub(super) fn close_for_reading(&self) {
        self.is_closed_for_reading.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_closed_for_reading(&self) -> bool {
        self.is_closed_for_reading.load(Ordering::Relaxed)
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.requests.load(Ordering::Relaxed) == 0
    }

    /// Returns for how long it may make no progress, in milliseconds: `untaken` while a request is
    /// under way, `limit` otherwise.
    pub(super) fn patience(&self, limit: u64, untaken: u64, is_ending: bool) -> u64 {
        let is_unwanted = is_ending || self.has_unread_body.load(Ordering::Relaxed);
        match (self.is_idle(), is_unwanted) {
            (true, true) => limit.min(LINGER),
            (true, false) => limit,
            (false, _) => untaken,
        }
    }
}

fn millis_since(moment: Instant) -> u64 {
    u64::try_from(moment.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// What a connection carries along; dropped with it.
struct Tracked {
    id: u64,
    registry: Arc<Registry>,
    activity: Arc<Activity>,
}

impl Drop for Tracked {
    fn drop(&mut self) {
        let mut places = self.registry.places();
        places.leave(self.id);
        if self.registry.has_excess() {
            self.registry.make_room(&mut places);
        }
    }
}

impl Registry {
    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        millis_since(self.started)
    }

    fn make_room(&self, places: &mut Places) {
        self.excess.store(places.make_room(self.now()), Ordering::Relaxed);
    }

    fn has_excess(&self) -> bool {
        self.excess.load(Ordering::Relaxed) > 0
    }

    /// Whether a connection should end with its answer so that others find room; the next one
    /// needs not, then.
    fn wants_to_end_one(&self) -> bool {
        let one_less = |excess: usize| excess.checked_sub(1);
        let relaxed = Ordering::Relaxed;
        let is_wanted =
            self.has_excess() && self.excess.fetch_update(relaxed, relaxed, one_less).is_ok();
        if is_wanted {
            self.counts.note_closing(Closing::Full);
        }
        is_wanted
    }
}

impl Connections {
    /// Makes room for as many connections as the limits say, of clients that do not take longer
    /// than `patience` to take something of what they are sent.
    #[must_use]
    pub fn new(limits: ConnectionLimits, patience: Duration, counts: ConnectionCounts) -> Self {
        Self(Arc::new(Registry {
            started: Instant::now(),
            places: Mutex::new(Places::new(limits, counts.clone())),
            excess: AtomicUsize::new(0),
            patience,
            counts,
        }))
    }

    /// Ends connections that have made no progress for this long, and idle ones if there are too
    /// many.
    pub fn close_stalled(&self, limit: Duration) {
        let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let mut places = self.0.places();
        let untaken = u64::try_from(self.0.patience.as_millis()).unwrap_or(u64::MAX);
        places.close_stalled(limit, untaken, self.0.now());
        self.0.make_room(&mut places);
    }

    /// Returns how many requests have been received whole and not been answered in full.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.0.places().iter().filter(|open| open.activity.is_unanswered()).count()
    }

    /// Lets connections end that wait for no answer. What they were sent still arrives.
    pub fn close_idle(&self) {
        for open in self.0.places().iter().filter(|open| open.activity.is_idle()) {
            open.shut(Shutdown::Read);
        }
    }
}

/// Takes note of a new connection.
pub(crate) fn note_connection(connections: &Connections, io: &dyn Any, data: &mut Extensions) {
    let Some(stream) = io.downcast_ref::<tokio::net::TcpStream>() else { return };
    // A fast client gets as much under way as before. Without the limit a slow one may be cut off.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    SockRef::from(stream).set_tcp_notsent_lowat(UNSENT).ok();
    // What the system has taken over it alone knows to be untaken, also of streams of changes.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    SockRef::from(stream).set_tcp_user_timeout(Some(connections.0.patience)).ok();
    let Ok(handle) = stream.as_fd().try_clone_to_owned() else {
        // What cannot be watched could stay for ever.
        SockRef::from(stream).shutdown(Shutdown::Both).ok();
        return;
    };
    let registry = Arc::clone(&connections.0);
    let activity = Arc::new(Activity::begin(registry.started));
    let mut places = registry.places();
    let id = places.enter(TcpStream::from(handle), Arc::clone(&activity), registry.now());
    registry.make_room(&mut places);
    if let Some(caller) = places.caller(id) {
        data.insert(caller);
    }
    drop(places);
    data.insert(Tracked { id, registry, activity });
}

/// Takes note that a request's body makes progress.
pub(super) fn note_progress(request: &HttpRequest) {
    if let Some(tracked) = request.conn_data::<Tracked>() {
        tracked.activity.note();
    }
}

/// Returns why a request's body has broken off.
pub(super) fn why_body_broke_off(request: &HttpRequest) -> ApiError {
    match request.conn_data::<Tracked>() {
        Some(tracked) if tracked.activity.is_closed_for_reading() => ApiError::Closing,
        _ => ApiError::InvalidJson,
    }
}

/// Takes note that a request's body has been read to its end.
pub(super) fn note_body_end(request: &HttpRequest) {
    if let Some(tracked) = request.conn_data::<Tracked>() {
        tracked.activity.has_unread_body.store(false, Ordering::Relaxed);
        tracked.activity.awaits_end.store(true, Ordering::Relaxed);
    }
}

/// Takes note that the answer has no end: nothing of it is owed once the program stops.
pub(super) fn note_stream(request: &HttpRequest) {
    if let Some(tracked) = request.conn_data::<Tracked>() {
        tracked.activity.awaits_end.store(false, Ordering::Relaxed);
    }
}

/// Serves a request, and takes note of it until its answer has been handed over in full.
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
    // No upgrade is offered, and after an answer to one who asked, actix ends the connection.
    let asks_for_upgrade = request.head().upgrade();
    let is_taken_for_websocket = upgrade::is_taken_for_websocket(&request);
    let takes_no_chunks = is_taken_for_websocket || request.version() < Version::HTTP_11;
    if is_taken_for_websocket {
        upgrade::end_body(&mut request);
    }
    let has_body = !matches!(request.parts().1, Payload::None);
    let under_way = activity.map(|activity| UnderWay::begin(activity, has_body, is_chunked));
    let response = service.call(request);
    async move {
        let mut response = response.await?;
        let is_unread = under_way.as_ref().is_some_and(UnderWay::has_unread_body);
        let is_stream = response.response().body().size() == BodySize::Stream;
        let gives_way = || {
            // A stream would stay for long.
            let tracked = response.request().conn_data::<Tracked>();
            !is_stream && tracked.is_some_and(|tracked| tracked.registry.wants_to_end_one())
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
        Ok(response.map_body(|_, body| TrackedBody { body: Box::pin(body), under_way }))
    }
}

/// A request that is being answered.
struct UnderWay(Arc<Activity>);

impl UnderWay {
    fn begin(activity: Arc<Activity>, has_body: bool, is_chunked: bool) -> Self {
        activity.awaits_end.store(!has_body, Ordering::Relaxed);
        activity.has_asked.store(true, Ordering::Relaxed);
        activity.requests.fetch_add(1, Ordering::Relaxed);
        activity.has_unread_body.store(is_chunked, Ordering::Relaxed);
        activity.note();
        Self(activity)
    }

    fn has_unread_body(&self) -> bool {
        self.0.has_unread_body.load(Ordering::Relaxed)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.note();
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A body that takes note of every piece that is handed over.
struct TrackedBody<B> {
    body: Pin<Box<B>>,
    under_way: Option<UnderWay>,
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
        if let Some(UnderWay(activity)) = &self.under_way {
            activity.note();
        }
        self.body.as_mut().poll_next(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_under_way_has_a_minute_at_most_and_what_is_unwanted_a_second() {
        let activity = Arc::new(Activity::begin(Instant::now()));
        let patience = |limit, untaken| {
            [false, true].map(|is_ending| activity.patience(limit, untaken, is_ending))
        };
        assert_eq!(patience(75_000, 60_000), [75_000, LINGER]);
        assert_eq!(patience(500, 500), [500, 500]);
        let under_way = UnderWay::begin(Arc::clone(&activity), false, false);
        assert_eq!(patience(75_000, 60_000), [60_000, 60_000]);
        assert_eq!(patience(500, 500), [500, 500]);
        drop(under_way);
        assert_eq!(patience(75_000, 60_000), [75_000, LINGER]);
    }
}
