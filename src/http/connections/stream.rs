//! The bytes of a connection: plain, or in TLS.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_http::Extensions;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::entrance::Entrance;
use super::registry::Tracked;

/// The first byte of a connection in TLS: the type of a record that begins a handshake.
const TLS_HANDSHAKE: u8 = 22;

/// A connection whose handshake, if there is one, is over.
pub(crate) struct Stream {
    bytes: Bytes,
    /// Its place in the registry, until requests can find it.
    tracked: Cell<Option<Tracked>>,
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
        let bytes = Bytes::Plain { socket, entrance: Some(entrance) };
        Self { bytes, tracked: Cell::new(Some(tracked)) }
    }

    pub(super) fn tls(stream: TlsStream<TcpStream>, tracked: Tracked) -> Self {
        let bytes = Bytes::Tls(Box::new(stream));
        Self { bytes, tracked: Cell::new(Some(tracked)) }
    }

    /// Lets requests find the connection in the registry.
    pub(crate) fn hand_over(&self, data: &mut Extensions) {
        if let Some(tracked) = self.tracked.take() {
            data.insert(tracked);
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.bytes {
            Bytes::Plain { socket, entrance } => {
                let before = buffer.filled().len();
                let polled = Pin::new(&mut *socket).poll_read(context, buffer);
                if entrance.is_some()
                    && let Some(&first) = buffer.filled().get(before)
                    && let Some(entrance) = entrance.take()
                    && first == TLS_HANDSHAKE
                {
                    entrance.note_tls_at_plain_port(socket.peer_addr().ok());
                }
                polled
            }
            Bytes::Tls(stream) => match Pin::new(stream).poll_read(context, buffer) {
                // Many clients end the connection without ending TLS. That cuts nothing off: a
                // request says itself where it ends. It also looks like this when this program has
                // shut the receiving side.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    Poll::Ready(Ok(()))
                }
                polled => polled,
            },
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.bytes {
            Bytes::Plain { socket, .. } => Pin::new(socket).poll_write(context, bytes),
            Bytes::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.bytes {
            Bytes::Plain { socket, .. } => Pin::new(socket).poll_flush(context),
            Bytes::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.bytes {
            Bytes::Plain { socket, .. } => Pin::new(socket).poll_shutdown(context),
            Bytes::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
