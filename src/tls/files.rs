//! The files of the certificate and of its key.

use std::path::PathBuf;

use super::certificate::{Certificate, Wrong};
use crate::config::{ConfigError, Files, WatchedFiles, shown_value};

/// The files of a certificate and of its key, and how they were when they were read last.
#[derive(Debug)]
pub struct CertificateFiles(WatchedFiles<2>);

impl CertificateFiles {
    /// Takes two files that have not been read.
    #[must_use]
    pub fn new(certificate: PathBuf, key: PathBuf) -> Self {
        let named = |setting: &str, path: PathBuf| {
            (format!("{setting} {}", shown_value(&path.to_string_lossy())), path)
        };
        Self(WatchedFiles::new([named("tls_cert", certificate), named("tls_key", key)]))
    }
}

impl Files for CertificateFiles {
    type Content = Certificate;
    const NAME: &'static str = "The TLS certificate or its key";
    const KEPT: &'static str = "the certificate from before stays in force";

    /// A key of another certificate is an error too.
    fn read(&mut self) -> Option<Result<Certificate, ConfigError>> {
        let contents = self.0.read()?;
        let [place_of_certificate, place_of_key] = self.0.places();
        Some(contents.and_then(|[certificate, key]| {
            Certificate::parse(&certificate, &key).map_err(|wrong| match wrong {
                Wrong::Certificate(reason) => ConfigError::new(place_of_certificate, reason),
                Wrong::Key(reason) => ConfigError::new(place_of_key, reason),
            })
        }))
    }

    fn forget(&mut self) {
        self.0.forget();
    }
}
