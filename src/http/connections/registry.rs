//! The registry of all connections, which closes those that stall and idle ones that are too many.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use actix_web::HttpRequest;
use socket2::SockRef;
use tokio::time::Instant;

use super::activity::{Activity, millis_since};
use super::limits::ConnectionLimits;
use super::open::OpenConnections;
use super::peer::Peer;
use crate::metrics::{Closing, ConnectionCounts};
use crate::mutex::locked;

/// How much of an answer the system accepts ahead of sending it, in bytes. Its default is megabytes,
/// and a slow client that reads those looks as if it made no progress. Much less costs speed: the
/// compressed list of 20,000 entries should be handed over at once.
const UNSENT: u32 = 512 * 1024;

/// All open connections; clones share them.
#[derive(Clone, Debug)]
pub struct Connections(Arc<Registry>);

#[derive(Debug)]
struct Registry {
    started: Instant,
    open: Mutex<OpenConnections>,
    /// How many connections should close with their next answer: there are too many, and none of
    /// them is idle.
    excess: AtomicUsize,
    /// How long a client may take nothing of its answer.
    patience: Duration,
    counts: ConnectionCounts,
}

/// The registry's part of a connection's data; dropped with the connection.
pub(super) struct Tracked {
    id: u64,
    registry: Arc<Registry>,
    pub(super) activity: Arc<Activity>,
    pub(super) peer: Peer,
}

impl Tracked {
    /// Returns the connection of a request, if it could be registered.
    pub(super) fn of(request: &HttpRequest) -> Option<&Self> {
        request.conn_data()
    }

    /// Whether the connection should close with its answer to make room for others. The next one
    /// that asks may stay then.
    pub(super) fn should_give_way(&self) -> bool {
        let registry = &self.registry;
        let one_less = |excess: usize| excess.checked_sub(1);
        let relaxed = Ordering::Relaxed;
        let should_close = registry.has_excess()
            && registry.excess.fetch_update(relaxed, relaxed, one_less).is_ok();
        if should_close {
            registry.counts.note_closing(Closing::Full);
        }
        should_close
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        let mut open = self.registry.open();
        open.remove(self.id);
        if self.registry.has_excess() {
            self.registry.make_room(&mut open);
        }
    }
}

impl Registry {
    fn open(&self) -> MutexGuard<'_, OpenConnections> {
        locked(&self.open)
    }

    fn now(&self) -> u64 {
        millis_since(self.started)
    }

    fn make_room(&self, open: &mut OpenConnections) {
        self.excess.store(open.make_room(self.now()), Ordering::Relaxed);
    }

    fn has_excess(&self) -> bool {
        self.excess.load(Ordering::Relaxed) > 0
    }
}

impl Connections {
    /// Creates a registry without connections.
    #[must_use]
    pub fn new(limits: ConnectionLimits, counts: ConnectionCounts) -> Self {
        Self(Arc::new(Registry {
            started: Instant::now(),
            open: Mutex::new(OpenConnections::new(limits, counts.clone())),
            excess: AtomicUsize::new(0),
            patience: limits.untaken,
            counts,
        }))
    }

    /// Registers a new connection. Dropping the [`Tracked`] removes it.
    ///
    /// # Errors
    /// One that cannot be watched: it could stay for ever.
    pub(super) fn register(&self, socket: &tokio::net::TcpStream) -> io::Result<Tracked> {
        // Without this limit the system takes so much that a slow client may be cut off. A fast
        // client notices no difference.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        SockRef::from(socket).set_tcp_notsent_lowat(UNSENT).ok();
        // Only the system knows whether a client takes what the system has accepted for it.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        SockRef::from(socket).set_tcp_user_timeout(Some(self.0.patience)).ok();
        let handle = TcpStream::from(socket.as_fd().try_clone_to_owned()?);
        let registry = Arc::clone(&self.0);
        let activity = Arc::new(Activity::begin(registry.started));
        let mut open = registry.open();
        let (id, peer) = open.add(handle, Arc::clone(&activity), registry.now());
        registry.make_room(&mut open);
        drop(open);
        Ok(Tracked { id, registry, activity, peer })
    }

    /// Closes connections that have made no progress for this long, and idle ones if there are too
    /// many.
    pub fn close_stalled(&self, limit: Duration) {
        let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let mut open = self.0.open();
        let untaken = u64::try_from(self.0.patience.as_millis()).unwrap_or(u64::MAX);
        open.close_stalled(limit, untaken, self.0.now());
        self.0.make_room(&mut open);
    }

    /// Returns how many requests have been received in full and not been answered in full.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.0.open().iter().filter(|open| open.activity.is_unanswered()).count()
    }

    /// Closes connections that have no request under way. What they were sent still arrives.
    pub fn close_idle(&self) {
        for open in self.0.open().iter().filter(|open| open.activity.is_idle()) {
            open.shut(Shutdown::Read);
        }
    }
}
