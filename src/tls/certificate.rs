//! A certificate with its key: read from PEM, and checked to fit each other.
//!
//! No error shows anything of the key's file.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::version::{TLS12, TLS13};
use rustls::{Error, ServerConfig};

use super::validity::{is_version_3, not_after};
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
        let of_certificate = |reason: &str| Wrong::Certificate(reason.to_owned());
        let of_key = |reason: &str| Wrong::Key(reason.to_owned());
        let chain = chain(without_mark(certificate)).map_err(of_certificate)?;
        let (expires, is_version_3) = chain
            .first()
            .and_then(|own| Some((not_after(own).ok()?, is_version_3(own).ok()?)))
            .ok_or_else(|| of_certificate("holds no X.509 certificate"))?;
        if !is_version_3 {
            return Err(of_certificate("holds a certificate of X.509 version 1 or 2: expected 3"));
        }
        let key = private_key(without_mark(key)).map_err(of_key)?;
        let provider = Arc::new(ring::default_provider());
        let signing = provider.key_provider.load_private_key(key.clone_key());
        let signing = signing.map_err(|_| {
            of_key(
                "holds a key of another kind than RSA of 2048 to 8192 bits, ECDSA with P-256 or \
                 P-384, and Ed25519",
            )
        })?;
        if chain.iter().skip(1).any(|later| fits(&signing, later)) {
            return Err(of_certificate(
                "has the certificate of the key after another: the server's own must come first",
            ));
        }
        let server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
        let mut server = server.map_err(|error| match error {
            Error::InconsistentKeys(_) => of_key("does not fit the certificate"),
            _ => of_certificate("holds a certificate that breaks the rules of X.509 (RFC 5280)"),
        })?;
        server.alpn_protocols = PROTOCOLS.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Self { server: Arc::new(server), expires })
    }
}

/// Leaves out the mark that some editors put at the beginning of a file in UTF-8.
fn without_mark(pem: &[u8]) -> &[u8] {
    pem.strip_prefix(b"\xef\xbb\xbf").unwrap_or(pem)
}

fn fits(key: &Arc<dyn SigningKey>, certificate: &CertificateDer<'static>) -> bool {
    CertifiedKey::new(vec![certificate.clone()], Arc::clone(key)).keys_match().is_ok()
}

pub(super) fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
    let chain: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(pem).collect();
    let begun = pem.windows(BEGIN.len()).filter(|window| *window == BEGIN).count();
    match chain {
        Ok(chain) if chain.len() < begun => {
            Err("holds a certificate that cannot be read: its lines are indented, or its block is \
                 broken")
        }
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
