//! The client at the other end of a connection, and whether it still waits for its answer.
//!
//! A client that has closed its connection and one that has closed only its sending side look the
//! same. actix works on for both until it has something to send.

use std::net::TcpStream;
use std::sync::{Arc, Weak};
use std::time::Duration;

use actix_web::HttpRequest;

use super::activity::Activity;
use super::registry::Tracked;

/// How often to look whether a client is still there. An abandoned request costs little in this
/// time, and a look costs next to nothing.
const LOOK: Duration = Duration::from_millis(100);

/// The client at the other end of a connection.
#[derive(Clone, Debug)]
pub(in crate::http) struct Peer {
    socket: Weak<TcpStream>,
    activity: Arc<Activity>,
}

impl Peer {
    /// Returns the client at the other end of this socket.
    pub(super) fn at(socket: &Arc<TcpStream>, activity: &Arc<Activity>) -> Self {
        Self { socket: Arc::downgrade(socket), activity: Arc::clone(activity) }
    }

    /// Returns the sender of a request, unless its connection cannot be watched.
    pub(in crate::http) fn of(request: &HttpRequest) -> Option<Self> {
        Tracked::of(request).map(|tracked| tracked.peer.clone())
    }

    /// Waits until the client has closed its connection or its sending side. Never returns if this
    /// program has shut that side, since the two can then not be told apart.
    pub(in crate::http) async fn left(&self) {
        let mut looks = tokio::time::interval(LOOK);
        loop {
            looks.tick().await;
            if self.sends_no_more() {
                break;
            }
        }
        if self.activity.is_closed_for_reading() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether the client has closed its connection or its sending side, or this program has shut
    /// that side.
    pub(super) fn sends_no_more(&self) -> bool {
        self.socket.upgrade().is_none_or(|socket| is_closed(&socket))
    }
}

/// Whether the other end sends no more, even if there is something left to read.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_closed(socket: &TcpStream) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    let mut sockets = [PollFd::new(socket, PollFlags::RDHUP)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    // If the system cannot say, the client counts as present.
    poll(&mut sockets, Some(&at_once)).is_ok_and(|closed| closed > 0)
}

/// Elsewhere the system says so only once everything has been read.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn is_closed(socket: &TcpStream) -> bool {
    matches!(socket.peek(&mut [0]), Ok(0))
}
