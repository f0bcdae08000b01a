//! The way in to a port: a connection is registered as soon as it is accepted, and then secured.
//!
//! actix reports a connection only after its handshake. A client that does not finish one would be
//! unknown until then, and no limit would hold for it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_http::Protocol;
use actix_http::error::DispatchError;
use actix_web::ResponseError as _;
use actix_web::body::MessageBody as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::rustls::{AlertDescription, Error, ServerConnection};
use tokio_rustls::server::TlsStream;

use super::misfits::{Misfit, Misfits};
use super::open::network;
use super::registry::{Connections, Tracked};
use super::stream::Stream;
use super::turns::Turns;
use crate::http::error::ApiError;
use crate::http::headers_of_all::HEADERS_OF_ALL;
use crate::metrics::{Handshake, TlsUse};
use crate::tls::Tls;

/// How long a client may take for its handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long a client that is refused may go on sending. Closing at once could destroy the answer on
/// its way.
const LAST_BYTES: Duration = Duration::from_secs(1);

/// How much of an answer is kept encrypted for a client that does not read, in bytes.
const ENCRYPTED_AHEAD: usize = 32 * 1024;

/// The way in to a port on one worker; clones are the same.
#[derive(Clone, Debug)]
pub struct Entrance {
    connections: Connections,
    /// Its certificate, if the port speaks TLS.
    tls: Option<Tls>,
    counts: TlsUse,
    misfits: Arc<Misfits>,
    /// The order of the handshakes of a worker.
    turns: Turns,
}

/// What actix takes: a connection, its protocol, and the address of the client.
type Accepted = (Stream, Protocol, Option<SocketAddr>);

impl Entrance {
    /// Makes the way in to a port that speaks TLS if there is a certificate. The log gives the advice
    /// to clients that speak TLS where there is none.
    #[must_use]
    pub fn new(
        connections: Connections,
        tls: Option<Tls>,
        counts: TlsUse,
        advice: &'static str,
    ) -> Self {
        let misfits = Arc::new(Misfits::new(advice));
        Self { connections, tls, counts, misfits, turns: Turns::default() }
    }

    /// Returns the same way in for another worker, whose handshakes have turns of their own.
    #[must_use]
    pub fn of_another_worker(&self) -> Self {
        Self { turns: Turns::default(), ..self.clone() }
    }

    /// Takes a connection in.
    ///
    /// # Errors
    /// A connection that cannot be watched, or whose handshake fails.
    pub(crate) async fn accept(self, socket: TcpStream) -> Result<Accepted, DispatchError> {
        // Otherwise an answer in several writes waits for the client's acknowledgement.
        socket.set_nodelay(true).ok();
        let client = socket.peer_addr().ok();
        let tracked = self.connections.register(&socket)?;
        let stream = match &self.tls {
            None => Stream::plain(socket, self, tracked),
            Some(tls) => {
                let handshake = timeout(HANDSHAKE, self.handshake(tls, socket, client, &tracked));
                let secured = handshake.await.unwrap_or_else(|_| {
                    self.note(Handshake::TimedOut, client, "it was not over within 10 seconds");
                    Err(io::ErrorKind::TimedOut.into())
                });
                let secured = secured?;
                tracked.activity.note_progress();
                Stream::tls(secured, tracked)
            }
        };
        Ok((stream, Protocol::Http1, client))
    }

    async fn handshake(
        &self,
        tls: &Tls,
        mut socket: TcpStream,
        client: Option<SocketAddr>,
        tracked: &Tracked,
    ) -> io::Result<TlsStream<TcpStream>> {
        let mut first = [0];
        // Nothing is said of those that look whether the port is open.
        if socket.peek(&mut first).await? == 0 {
            if tracked.activity.is_shut() {
                self.counts.note_handshake(Handshake::Shut);
            }
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if first.first().is_some_and(u8::is_ascii_alphabetic) {
            self.counts.note_handshake(Handshake::PlainHttp);
            self.misfits.note(Misfit::PlainHttp, client, "");
            answer_plain(&mut socket).await.ok();
            return Err(io::ErrorKind::InvalidData.into());
        }
        let network = client.map(|client| network(client.ip()));
        let limited = |session: &mut ServerConnection| {
            session.set_buffer_limit(Some(ENCRYPTED_AHEAD));
        };
        // The certificate in force is that of its first turn.
        let steps = async { tls.acceptor().accept_with(socket, limited).await };
        let shaken = self.turns.run(network, &tracked.peer, steps).await;
        let shaken = shaken.unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()));
        match &shaken {
            Ok(_) => self.counts.note_handshake(Handshake::Completed),
            // Nothing is wrong with the client.
            Err(_) if tracked.activity.is_shut() => self.counts.note_handshake(Handshake::Shut),
            Err(error) => {
                let (outcome, reason) = outcome(error);
                self.note(outcome, client, &reason);
            }
        }
        shaken
    }

    /// Counts and logs a handshake that has failed.
    fn note(&self, outcome: Handshake, client: Option<SocketAddr>, reason: &str) {
        self.counts.note_handshake(outcome);
        self.misfits.note(Misfit::Handshake(outcome), client, reason);
    }

    /// Notes that a client has begun TLS at a port that speaks plain HTTP. actix answers 400.
    pub(super) fn note_tls_at_plain_port(&self, client: Option<SocketAddr>) {
        self.misfits.note(Misfit::TlsAtPlainPort, client, "");
    }
}

/// Returns how a handshake has ended that failed, and why.
fn outcome(error: &io::Error) -> (Handshake, String) {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    match cause {
        Some(Error::AlertReceived(alert)) if is_about_certificate(*alert) => {
            (Handshake::Refused, format!("the client does not accept the certificate ({alert:?})"))
        }
        Some(cause) => (Handshake::Failed, cause.to_string()),
        None => (Handshake::Closed, "the client has closed the connection".to_owned()),
    }
}

fn is_about_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
    )
}

/// Answers a client that has sent plain HTTP to a port that speaks TLS.
async fn answer_plain(socket: &mut TcpStream) -> io::Result<()> {
    let body = ApiError::PlainHttp.error_response().into_body();
    let body = body.try_into_bytes().unwrap_or_default();
    let mut head = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Length: {}\r\nContent-Type: application/json\r\n\
         Connection: close\r\n",
        body.len()
    );
    for (name, value) in HEADERS_OF_ALL {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head.push_str("\r\n");
    socket.write_all(&[head.as_bytes(), &body].concat()).await?;
    socket.shutdown().await?;
    let mut piece = [0; 4096];
    let rest = async { while socket.read(&mut piece).await.is_ok_and(|count| count > 0) {} };
    timeout(LAST_BYTES, rest).await.ok();
    Ok(())
}
