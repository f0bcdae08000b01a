//! A connection to a server, plain or in TLS, and the choice between them for tests of both.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use gitops_status_server::tls::{ToSelf, connect_to_self};

use super::{Pair, Process};

/// A connection to a server.
pub enum Connection {
    Plain(TcpStream),
    Tls(Box<ToSelf<TcpStream>>),
}

impl Connection {
    /// Uses a socket, and speaks TLS on it if the server does.
    pub fn over(socket: TcpStream, is_tls: bool) -> Self {
        if is_tls {
            // A server that stops may have reset it by now, as the caller sees when it writes.
            let address = socket.peer_addr().map_or(Ipv4Addr::LOCALHOST.into(), |peer| peer.ip());
            Self::Tls(Box::new(connect_to_self(socket, address).unwrap()))
        } else {
            Self::Plain(socket)
        }
    }

    /// Returns the socket.
    pub fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => &stream.sock,
        }
    }

    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.socket().set_read_timeout(timeout)
    }

    pub fn set_nonblocking(&self, is_on: bool) -> io::Result<()> {
        self.socket().set_nonblocking(is_on)
    }

    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket().shutdown(how)
    }

    /// Returns the certificate that the server has shown.
    pub fn certificate(&self) -> Option<Vec<u8>> {
        let Self::Tls(stream) = self else { return None };
        Some(stream.conn.peer_certificates()?.first()?.to_vec())
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            // The same as the end of a plain connection.
            Self::Tls(stream) => match stream.read(buffer) {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(0),
                read => read,
            },
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(stream) => {
                let written = stream.write(bytes)?;
                // `write` hides the errors of the socket.
                stream.flush()?;
                Ok(written)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// What the server of a test speaks.
#[derive(Clone, Copy, Debug)]
pub enum Transport {
    Plain,
    Tls,
}

impl Transport {
    /// Starts the program with more arguments and waits until it listens.
    pub fn start(self, database: &Path, arguments: &[&str]) -> Process {
        Process::run(Process::command(database).args(self.arguments()).args(arguments))
    }

    /// Returns the arguments that make the program speak this.
    pub fn arguments(self) -> Vec<String> {
        static PAIR: OnceLock<Pair> = OnceLock::new();
        match self {
            Self::Plain => Vec::new(),
            Self::Tls => PAIR.get_or_init(|| Pair::signed_by_itself("127.0.0.1")).arguments(),
        }
    }
}

/// Makes two tests of each function: one over plain connections, one over TLS.
macro_rules! over_both_transports {
    ($($name:ident)+) => {
        mod plain {
            $(#[test] fn $name() { super::$name(crate::support::Transport::Plain); })+
        }
        mod tls {
            $(#[test] fn $name() { super::$name(crate::support::Transport::Tls); })+
        }
    };
}
pub(crate) use over_both_transports;
