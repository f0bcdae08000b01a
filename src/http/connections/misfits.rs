//! What the log says of clients that do not speak what a port speaks: a line a minute of each kind.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::metrics::Handshake;
use crate::mutex::locked;

/// How long after a line there is no other of its kind.
const PAUSE: Duration = Duration::from_mins(1);

/// What a client does that the port does not speak.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Misfit {
    /// It begins TLS where the port speaks plain HTTP.
    TlsAtPlainPort,
    /// It sends plain HTTP where the port speaks TLS.
    PlainHttp,
    /// Its handshake fails.
    Handshake(Handshake),
}

/// The lines of each kind.
#[derive(Debug, Default)]
pub(super) struct Misfits(Mutex<BTreeMap<Misfit, Told>>);

#[derive(Debug)]
struct Told {
    at: Instant,
    /// How many lines were left out since.
    left_out: u64,
}

impl Misfits {
    /// Logs what a client did, or counts it if there was such a line within the last minute.
    pub(super) fn note(&self, misfit: Misfit, client: Option<SocketAddr>, reason: &str) {
        let Some(left_out) = self.admit(misfit) else { return };
        let client = client.map_or("A client".to_owned(), |at| at.ip().to_canonical().to_string());
        let others = match left_out {
            0 => String::new(),
            count => format!(" (and {count} like it, which were not logged)"),
        };
        match misfit {
            Misfit::TlsAtPlainPort => log::warn!(
                "{client} speaks TLS, and this port plain HTTP{others}: use http://, or set \
                 tls_cert and tls_key"
            ),
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
        let mut told = locked(&self.0);
        let known = told.get_mut(&misfit);
        match known {
            Some(known) if known.at.elapsed() < PAUSE => {
                known.left_out += 1;
                None
            }
            _ => {
                let left_out = known.map_or(0, |known| known.left_out);
                told.insert(misfit, Told { at: Instant::now(), left_out: 0 });
                Some(left_out)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_kind_has_a_line_a_minute() {
        let misfits = Misfits::default();
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
