//! Whether a client still waits for its answer.
//!
//! A client that closes its connection and one that closes its sending side only look the same, and
//! actix works on for both until it has something to send.

use std::net::TcpStream;
use std::sync::{Arc, Weak};
use std::time::Duration;

use actix_web::HttpRequest;

use super::connections::Activity;

/// How often is looked whether a client is still there: often enough that what nobody waits for
/// costs little, rarely enough that the looks cost nothing.
const LOOK: Duration = Duration::from_millis(100);

/// The client at the other end of a connection.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    socket: Weak<TcpStream>,
    activity: Arc<Activity>,
}

impl Caller {
    /// The client at the other end of this socket.
    pub(super) fn at(socket: &Arc<TcpStream>, activity: &Arc<Activity>) -> Self {
        Self { socket: Arc::downgrade(socket), activity: Arc::clone(activity) }
    }

    /// Returns who has sent a request, unless the connection cannot be watched.
    pub(super) fn of(request: &HttpRequest) -> Option<Self> {
        request.conn_data::<Self>().cloned()
    }

    /// Waits until the client has closed its connection, or its side of it. For ever if this program
    /// has closed that side: then nobody can tell.
    pub(super) async fn left(&self) {
        let mut looks = tokio::time::interval(LOOK);
        loop {
            looks.tick().await;
            if self.socket.upgrade().is_none_or(|socket| is_closed(&socket)) {
                break;
            }
        }
        if self.activity.is_closed_for_reading() {
            std::future::pending::<()>().await;
        }
    }
}

/// Whether the other end sends no more, whatever there is left to read.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_closed(socket: &TcpStream) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    let mut sockets = [PollFd::new(socket, PollFlags::RDHUP)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    // What cannot be asked is taken to be there.
    poll(&mut sockets, Some(&at_once)).is_ok_and(|closed| closed > 0)
}

/// Elsewhere this is known only once everything has been read.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn is_closed(socket: &TcpStream) -> bool {
    matches!(socket.peek(&mut [0]), Ok(0))
}
