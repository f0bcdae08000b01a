//! The certificate of the server, whose files are read again while the program serves.

use std::sync::Arc;

use tokio::sync::watch;

use super::error::AppError;
use super::reload::{Recipient, first_look, keep};
use crate::clock::Clock;
use crate::config::{Config, FilePath};
use crate::domain::Timestamp;
use crate::metrics::TlsUse;
use crate::tls::{Certificate, CertificateFiles, Tls};

/// Keeps the certificate in force as its files have it.
pub(super) struct CertificateKeeper {
    files: CertificateFiles,
    told: Told,
}

/// The certificate in force, and those that are told of it.
struct Told {
    tls: Tls,
    metrics: TlsUse,
    clock: Arc<dyn Clock>,
}

impl CertificateKeeper {
    /// Reads the certificate and its key, if there are any.
    ///
    /// # Errors
    /// Files that cannot be used.
    pub(super) async fn begin(
        config: &Config,
        metrics: &TlsUse,
        clock: &Arc<dyn Clock>,
    ) -> Result<Option<Self>, AppError> {
        let (Some(certificate), Some(key)) = (&config.tls_cert, &config.tls_key) else {
            return Ok(None);
        };
        let path = |file: &FilePath| file.as_path().to_owned();
        let files = CertificateFiles::new(path(certificate), path(key));
        let (files, Some(certificate)) = first_look(files).await? else { return Ok(None) };
        let expires = certificate.expires;
        let (metrics, clock) = (metrics.clone(), Arc::clone(clock));
        metrics.set_certificate(expires);
        let told = Told { tls: Tls::new(certificate), metrics, clock };
        told.log(expires);
        Ok(Some(Self { files, told }))
    }

    /// Returns the certificate in force.
    pub(super) fn tls(&self) -> Tls {
        self.told.tls.clone()
    }

    /// Reads the files whenever they have changed, for ever.
    pub(super) async fn run(self, reload: watch::Receiver<()>) {
        keep(self.files, self.told, reload).await;
    }
}

impl Told {
    fn log(&self, expires: Timestamp) {
        if expires < self.clock.read().wall {
            log::warn!("The TLS certificate expired at {expires}");
        } else {
            log::info!("The TLS certificate in force expires at {expires}");
        }
    }
}

impl Recipient<Certificate> for Told {
    fn replace(&self, certificate: Certificate) {
        let expires = certificate.expires;
        self.metrics.set_certificate(expires);
        self.tls.replace(certificate);
        self.log(expires);
    }

    fn note_bad_files(&self) {
        self.tls.note_bad_files();
        self.metrics.note_bad_files();
    }
}
