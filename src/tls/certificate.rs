//! A certificate with its key: read from PEM, and checked to fit each other.
//!
//! No error shows anything of the key's file.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{Error, ServerConfig};

use super::validity::not_after;
use crate::domain::Timestamp;

/// What clients may ask for. Without HTTP/2, no client can reset requests in great numbers.
const PROTOCOLS: &[&[u8]] = &[b"http/1.1"];

/// A certificate with its key, ready for handshakes.
#[derive(Clone, Debug)]
pub struct Certificate {
    pub(super) server: Arc<ServerConfig>,
    /// When it is no longer valid.
    pub expires: Timestamp,
}

/// Which of the two files is wrong, and why.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Wrong {
    Certificate(String),
    Key(String),
}

impl Certificate {
    /// Reads the contents of a file with a certificate, which those that vouch for it may follow,
    /// and of a file with its key.
    ///
    /// # Errors
    /// The first mistake.
    pub(super) fn parse(certificate: &[u8], key: &[u8]) -> Result<Self, Wrong> {
        let chain = chain(certificate).map_err(|reason| Wrong::Certificate(reason.to_owned()))?;
        let own = chain.first().and_then(|own| not_after(own).ok());
        let expires = own.ok_or_else(|| Wrong::Certificate("holds no X.509 certificate".into()))?;
        let key = private_key(key).map_err(|reason| Wrong::Key(reason.to_owned()))?;
        let provider = Arc::new(ring::default_provider());
        if provider.key_provider.load_private_key(key.clone_key()).is_err() {
            return Err(Wrong::Key(
                "holds a key of another kind than RSA of 2048 to 8192 bits, ECDSA with P-256 or \
                 P-384, and Ed25519"
                    .into(),
            ));
        }
        let server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
        let mut server = server.map_err(|error| match error {
            Error::InconsistentKeys(_) => Wrong::Key("does not fit the certificate".into()),
            other => Wrong::Certificate(format!("holds no certificate for a server: {other}")),
        })?;
        server.alpn_protocols = PROTOCOLS.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Self { server: Arc::new(server), expires })
    }
}

fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let chain: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(pem).collect();
    match chain {
        Ok(chain) if chain.is_empty() => {
            Err("holds no certificate in PEM: expected -----BEGIN CERTIFICATE-----")
        }
        Ok(chain) => Ok(chain),
        Err(_) => Err("is not PEM: a section of it is broken"),
    }
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, &'static str> {
    if is_encrypted(pem) {
        return Err("holds an encrypted key: expected a key without a passphrase");
    }
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        pem::Error::NoItemsFound => {
            "holds no private key in PEM: expected -----BEGIN PRIVATE KEY-----"
        }
        _ => "is not PEM: a section of it is broken",
    })
}

/// Whether a key in PEM is encrypted, in the form of PKCS #8 or in the older one of OpenSSL.
fn is_encrypted(pem: &[u8]) -> bool {
    let marks = [&b"-----BEGIN ENCRYPTED PRIVATE KEY-----"[..], b"Proc-Type: 4,ENCRYPTED"];
    pem.split(|&byte| byte == b'\n').any(|line| marks.iter().any(|mark| line.starts_with(mark)))
}
