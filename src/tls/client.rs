//! The TLS of a client that asks a server on its own machine.

use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
};

use super::certificate::chain;

/// A connection to a server on this machine.
pub type ToSelf<T> = StreamOwned<ClientConnection, T>;

/// Speaks TLS on a connection to a server at an address of this machine. The handshake takes place
/// with the first byte that is written or read.
///
/// Any certificate is accepted: its names are those by which others reach the server, it may be
/// signed by an authority that this machine does not know, and the client sends nothing that is
/// secret.
///
/// # Errors
/// None that depends on the server.
pub fn connect_to_self<T: Read + Write>(stream: T, address: IpAddr) -> io::Result<ToSelf<T>> {
    connect(stream, address, None)
}

/// Speaks TLS on a connection to the server of this program on this machine, which has to show the
/// certificate in a PEM file: so it may be told a secret. The names in the certificate are those by
/// which others reach the server.
///
/// # Errors
/// A file that holds no certificate.
pub fn connect_to_own<T: Read + Write>(
    stream: T,
    address: IpAddr,
    certificate: &[u8],
) -> io::Result<ToSelf<T>> {
    let own =
        chain(certificate).map_err(|reason| io::Error::other(format!("tls_cert {reason}")))?;
    connect(stream, address, own.into_iter().next())
}

fn connect<T: Read + Write>(
    stream: T,
    address: IpAddr,
    expected: Option<CertificateDer<'static>>,
) -> io::Result<ToSelf<T>> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(OwnCertificate { provider, expected }))
        .with_no_client_auth();
    let name = ServerName::from(address);
    let session = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    Ok(StreamOwned::new(session, stream))
}

/// Accepts the expected certificate, or any, if the server has its key.
#[derive(Debug)]
struct OwnCertificate {
    provider: Arc<CryptoProvider>,
    expected: Option<CertificateDer<'static>>,
}

impl OwnCertificate {
    fn algorithms(&self) -> &WebPkiSupportedAlgorithms {
        &self.provider.signature_verification_algorithms
    }
}

impl ServerCertVerifier for OwnCertificate {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.expected.as_ref().is_some_and(|expected| expected != shown) {
            return Err(Error::General(
                "it shows another certificate than that of tls_cert".into(),
            ));
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, self.algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, self.algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms().supported_schemes()
    }
}
