//! The certificate in force.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio_rustls::TlsAcceptor;

use super::certificate::Certificate;
use crate::mutex::locked;

/// The certificate in force; clones share it.
#[derive(Clone, Debug)]
pub struct Tls(Arc<InForce>);

#[derive(Debug)]
struct InForce {
    certificate: Mutex<Certificate>,
    /// Whether the files could not be used when they were looked at last.
    are_files_bad: AtomicBool,
}

impl Tls {
    /// Puts a certificate in force.
    #[must_use]
    pub fn new(certificate: Certificate) -> Self {
        let certificate = Mutex::new(certificate);
        Self(Arc::new(InForce { certificate, are_files_bad: AtomicBool::new(false) }))
    }

    /// Puts another certificate in force. Connections stay as they are. Every later handshake is
    /// for the new certificate, also that of a client which resumes an earlier session: sessions
    /// belong to the certificate that they began with.
    pub fn replace(&self, certificate: Certificate) {
        self.0.are_files_bad.store(false, Ordering::Relaxed);
        *locked(&self.0.certificate) = certificate;
    }

    /// Notes that the files cannot be used. The certificate from before stays in force.
    pub fn note_bad_files(&self) {
        self.0.are_files_bad.store(true, Ordering::Relaxed);
    }

    /// Whether the files could not be used when they were looked at last.
    #[must_use]
    pub fn are_files_bad(&self) -> bool {
        self.0.are_files_bad.load(Ordering::Relaxed)
    }

    /// Returns what does a handshake with the certificate in force.
    #[must_use]
    pub fn acceptor(&self) -> TlsAcceptor {
        Arc::clone(&locked(&self.0.certificate).server).into()
    }
}
