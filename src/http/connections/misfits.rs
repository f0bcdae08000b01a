//! What the log says of clients that do not speak what a port speaks: a line a minute of each kind.

use std::net::SocketAddr;

use tokio::time::Instant;

use crate::http::request_log::and_others;
use crate::http::throttle::{Subject, Throttle};
use crate::metrics::Handshake;

/// What a client does that the port does not speak.
#[derive(Clone, Copy, Debug)]
pub(super) enum Misfit {
    /// It begins TLS where the port speaks plain HTTP.
    TlsAtPlainPort,
    /// It sends plain HTTP where the port speaks TLS.
    PlainHttp,
    /// Its handshake fails.
    Handshake(Handshake),
}

/// The lines of each kind.
#[derive(Debug)]
pub(super) struct Misfits {
    /// What a client should do that speaks TLS where the port speaks plain HTTP.
    advice: &'static str,
    started: Instant,
    lines: Throttle,
}

impl Misfits {
    pub(super) fn new(advice: &'static str) -> Self {
        Self { advice, started: Instant::now(), lines: Throttle::default() }
    }

    /// Logs what a client did, or counts it if there was such a line within the last minute.
    pub(super) fn note(&self, misfit: Misfit, client: Option<SocketAddr>, reason: &str) {
        let Some(left_out) = self.admit(misfit) else { return };
        let client = client.map_or("A client".to_owned(), |at| at.ip().to_canonical().to_string());
        let others = and_others(left_out);
        match misfit {
            Misfit::TlsAtPlainPort => {
                let advice = self.advice;
                log::warn!("{client} speaks TLS, and this port plain HTTP{others}: {advice}");
            }
            Misfit::PlainHttp => {
                log::warn!(
                    "{client} sends plain HTTP, and this port speaks TLS{others}: use https://"
                );
            }
            Misfit::Handshake(_) => {
                log::warn!("The TLS handshake of {client} failed{others}: {reason}");
            }
        }
    }

    /// Returns how many lines of this kind were left out, if there may be one now.
    fn admit(&self, misfit: Misfit) -> Option<u64> {
        let fault = match misfit {
            Misfit::TlsAtPlainPort => "TLS at a plain port".to_owned(),
            Misfit::PlainHttp => "plain HTTP".to_owned(),
            Misfit::Handshake(outcome) => format!("a handshake: {outcome:?}"),
        };
        let subject = Subject { fault, ..Subject::default() };
        self.lines.admit(subject, self.started.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PAUSE: Duration = Duration::from_mins(1);

    #[tokio::test(start_paused = true)]
    async fn a_kind_has_a_line_a_minute() {
        let misfits = Misfits::new("use http://");
        assert_eq!(misfits.admit(Misfit::PlainHttp), Some(0));
        assert_eq!(misfits.admit(Misfit::TlsAtPlainPort), Some(0));
        for _ in 0..100 {
            assert_eq!(misfits.admit(Misfit::PlainHttp), None);
        }
        tokio::time::advance(PAUSE).await;
        assert_eq!(misfits.admit(Misfit::PlainHttp), Some(100));
        assert_eq!(misfits.admit(Misfit::PlainHttp), None);
        tokio::time::advance(PAUSE).await;
        assert_eq!(misfits.admit(Misfit::PlainHttp), Some(1));
    }
}
