//! The bytes of a connection: plain, or in TLS.

use std::cell::Cell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::{io, mem};

use actix_http::Extensions;
use bytes::{Buf as _, BufMut as _, Bytes as Kept};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::coop;
use tokio_rustls::server::TlsStream;
use tokio_util::io::poll_read_buf;

use super::activity::Activity;
use super::entrance::Entrance;
use super::intake::{Turn, Wanted};
use super::registry::Tracked;

/// The first byte of a connection in TLS: the type of a record that begins a handshake.
const TLS_HANDSHAKE: u8 = 22;

/// A connection whose handshake, if there is one, is over.
pub(crate) struct Stream {
    bytes: Bytes,
    /// Its place in the registry, until requests can find it.
    tracked: Cell<Option<Tracked>>,
    activity: Arc<Activity>,
    /// What has been read from the client and actix may not have yet.
    kept: Kept,
    turn: Turn,
    /// Whether actix has been told that there is nothing to read, which ends its turn.
    has_paused: bool,
    /// Whether something was kept from actix in this turn.
    is_held: bool,
    /// Whether the client does not take its answers. Then it is not given more to answer.
    is_blocked: bool,
}

enum Bytes {
    Plain {
        socket: TcpStream,
        /// Told if the client begins with TLS; `None` once it has begun.
        entrance: Option<Entrance>,
    },
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    pub(super) fn plain(socket: TcpStream, entrance: Entrance, tracked: Tracked) -> Self {
        Self::of(Bytes::Plain { socket, entrance: Some(entrance) }, tracked)
    }

    pub(super) fn tls(stream: TlsStream<TcpStream>, tracked: Tracked) -> Self {
        Self::of(Bytes::Tls(Box::new(stream)), tracked)
    }

    fn of(bytes: Bytes, tracked: Tracked) -> Self {
        let activity = Arc::clone(&tracked.activity);
        let tracked = Cell::new(Some(tracked));
        Self {
            bytes,
            tracked,
            activity,
            kept: Kept::new(),
            turn: Turn::default(),
            has_paused: false,
            is_held: false,
            is_blocked: false,
        }
    }

    /// Returns how many of the bytes read from the client are to be handed to actix.
    fn admit(&mut self, bytes: &[u8]) -> usize {
        if self.is_blocked {
            return 0;
        }
        self.turn.admit(&self.activity.body, self.activity.wanted(), bytes)
    }

    /// Hands over what was kept, as much of it as actix may have.
    fn hand_over_kept(&mut self, buffer: &mut ReadBuf<'_>) -> usize {
        let kept = mem::take(&mut self.kept);
        let fitting = kept.len().min(buffer.remaining());
        let count = self.admit(kept.get(..fitting).unwrap_or_default());
        buffer.put_slice(kept.get(..count).unwrap_or_default());
        if count < kept.len() {
            self.kept = kept;
            self.kept.advance(count);
        }
        count
    }

    /// Hands over what has just been read into the buffer, and keeps what actix may not have yet.
    fn hand_over_read(&mut self, buffer: &mut ReadBuf<'_>, before: usize) -> usize {
        let read = buffer.filled().get(before..).unwrap_or_default();
        let count = self.admit(read);
        if count < read.len() {
            self.kept = Kept::copy_from_slice(read.get(count..).unwrap_or_default());
            buffer.set_filled(before + count);
        }
        count
    }

    /// Reads what the client sends behind its last request, until it ends or the registry shuts the
    /// connection. The system resets a connection that is closed before that, and drops the answers
    /// that are still on their way.
    fn poll_discard(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let kept = mem::take(&mut self.kept);
        let mut has_more = self.activity.has_unread_body() || !kept.is_empty();
        if !coop::has_budget_remaining() {
            // The socket would not say whether there is more.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut piece = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut piece);
            match self.bytes.poll_read(context, &mut buffer, usize::MAX) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(_)) => has_more = true,
                Poll::Pending if has_more => {
                    self.activity.note_unread();
                    return Poll::Pending;
                }
                Poll::Pending => return Poll::Ready(()),
            }
        }
    }

    /// Lets requests find the connection in the registry.
    pub(crate) fn hand_over(&self, data: &mut Extensions) {
        if let Some(tracked) = self.tracked.take() {
            data.insert(tracked);
        }
    }
}

impl Bytes {
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        let before = buffer.filled().len();
        let mut limited = (&mut *buffer).limit(most);
        match self {
            Self::Plain { socket, entrance } => {
                let polled = poll_read_buf(Pin::new(&mut *socket), context, &mut limited);
                if entrance.is_some()
                    && let Some(&first) = buffer.filled().get(before)
                    && let Some(entrance) = entrance.take()
                    && first == TLS_HANDSHAKE
                {
                    entrance.note_tls_at_plain_port(socket.peer_addr().ok());
                }
                polled
            }
            Self::Tls(stream) => match poll_read_buf(Pin::new(stream), context, &mut limited) {
                // Many clients end the connection without ending TLS. That cuts nothing off: a
                // request says itself where it ends. It also looks like this when this program has
                // shut the receiving side.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    Poll::Ready(Ok(0))
                }
                polled => polled,
            },
        }
    }

    fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain { socket, .. } => Pin::new(socket).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain { socket, .. } => Pin::new(socket).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    /// Shuts the sending side.
    fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain { socket, .. } => Pin::new(socket).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if mem::take(&mut this.has_paused) {
            this.turn.begin(&this.activity.body, this.activity.wanted());
        }
        let count = if this.kept.is_empty() {
            let before = buffer.filled().len();
            let polled = this.bytes.poll_read(context, buffer, this.activity.body.most());
            match polled {
                // The client has ended.
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(_)) => this.hand_over_read(buffer, before),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    this.has_paused = true;
                    return Poll::Pending;
                }
            }
        } else {
            // An answered client may go on sending. actix reads that in one go otherwise, however
            // many turns it takes.
            let Poll::Ready(step) = coop::poll_proceed(context) else {
                this.has_paused = true;
                return Poll::Pending;
            };
            step.made_progress();
            this.hand_over_kept(buffer)
        };
        if count == 0 {
            (this.has_paused, this.is_held) = (true, true);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = self.bytes.poll_write(context, bytes);
        self.is_blocked = polled.is_pending();
        polled
    }

    /// actix flushes at the end of every turn in which it could write all that it had.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = self.bytes.poll_flush(context);
        self.is_blocked = polled.is_pending();
        if self.is_held && !self.is_blocked && self.activity.wanted() != Wanted::Nothing {
            self.is_held = false;
            context.waker().wake_by_ref();
        }
        polled
    }

    /// Ends the connection: at once, or with the client if that has sent more.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.bytes.poll_shutdown(context))?;
        self.poll_discard(context).map(Ok)
    }
}
