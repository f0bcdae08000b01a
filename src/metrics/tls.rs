//! TLS: handshakes by their outcome, and the certificate in force.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use super::instruments::Breakdown;
use super::text::Text;
use crate::domain::Timestamp;

/// How a handshake ends.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Handshake {
    /// The connection is secure.
    Completed,
    /// The client has closed its connection before.
    Closed,
    /// The server has closed the connection before, as it does with idle ones.
    Shut,
    /// The client does not accept the certificate.
    Refused,
    /// The client speaks another version of TLS, or breaks its rules.
    Failed,
    /// The client has sent plain HTTP.
    PlainHttp,
    /// It took too long.
    TimedOut,
}

/// Counts handshakes, and knows the certificate in force; clones are the same.
#[derive(Clone, Debug)]
pub struct TlsUse(Arc<Use>);

#[derive(Debug)]
struct Use {
    is_on: AtomicBool,
    are_files_valid: AtomicBool,
    /// In seconds since 1970.
    expires: AtomicI64,
    handshakes: Breakdown,
}

impl TlsUse {
    pub(super) fn new() -> Self {
        let outcomes =
            ["completed", "closed", "shut", "refused", "failed", "plain_http", "timed_out"];
        Self(Arc::new(Use {
            is_on: AtomicBool::new(false),
            are_files_valid: AtomicBool::new(true),
            expires: AtomicI64::new(0),
            handshakes: Breakdown::new(&outcomes),
        }))
    }

    /// Notes until when the certificate in force is valid.
    pub fn set_certificate(&self, expires: Timestamp) {
        self.0.expires.store(expires.millis().div_euclid(1000), Ordering::Relaxed);
        self.0.are_files_valid.store(true, Ordering::Relaxed);
        self.0.is_on.store(true, Ordering::Relaxed);
    }

    /// Notes that the files of the certificate and its key cannot be used.
    pub fn note_bad_files(&self) {
        self.0.are_files_valid.store(false, Ordering::Relaxed);
    }

    /// Counts a handshake.
    pub fn note_handshake(&self, outcome: Handshake) {
        self.0.handshakes.note(match outcome {
            Handshake::Completed => "completed",
            Handshake::Closed => "closed",
            Handshake::Shut => "shut",
            Handshake::Refused => "refused",
            Handshake::Failed => "failed",
            Handshake::PlainHttp => "plain_http",
            Handshake::TimedOut => "timed_out",
        });
    }

    pub(super) fn write(&self, text: &mut Text) {
        let Use { is_on, are_files_valid, expires, handshakes } = &*self.0;
        if !is_on.load(Ordering::Relaxed) {
            return;
        }
        text.gauge(
            "gitops_status_tls_files_valid",
            "Whether the certificate and its key could be used when they were looked at last",
            u8::from(are_files_valid.load(Ordering::Relaxed)),
        );
        text.gauge(
            "gitops_status_tls_certificate_expires_timestamp_seconds",
            "When the certificate in force expires, in seconds since 1970",
            expires.load(Ordering::Relaxed),
        );
        text.breakdown(
            "gitops_status_tls_handshakes_total",
            "TLS handshakes, by their outcome",
            "outcome",
            handshakes,
        );
    }
}
