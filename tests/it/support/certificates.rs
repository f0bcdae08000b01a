//! Certificates with their keys, in files.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;

/// A certificate and its key in a folder of their own.
pub struct Pair {
    folder: TempDir,
    /// The certificate as servers send it.
    pub certificate: Vec<u8>,
}

impl Pair {
    /// Makes a certificate for a name or an address. A client that trusts it needs no other.
    pub fn signed_by_itself(name: &str) -> Self {
        Self::valid_until(name, 4096)
    }

    /// The same, valid until a year has begun.
    pub fn valid_until(name: &str, year: i32) -> Self {
        Self::made(name, year, &KeyPair::generate().unwrap())
    }

    /// The same, of a key in PEM.
    pub fn of_key(name: &str, key: &str) -> Self {
        Self::made(name, 4096, &KeyPair::from_pem(key).unwrap())
    }

    fn made(name: &str, year: i32, key: &KeyPair) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key, der) = made(name, year, key);
        fs::write(folder.path().join("tls.crt"), certificate).unwrap();
        fs::write(folder.path().join("tls.key"), key).unwrap();
        Self { folder, certificate: der }
    }

    pub fn certificate_file(&self) -> PathBuf {
        self.folder.path().join("tls.crt")
    }

    pub fn key_file(&self) -> PathBuf {
        self.folder.path().join("tls.key")
    }

    /// Returns the program's arguments for these files.
    pub fn arguments(&self) -> Vec<String> {
        arguments(self.folder.path())
    }
}

/// An authority that signs certificates.
pub struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = parameters.self_signed(&key).unwrap();
        fs::write(folder.path().join("authority.crt"), certificate.pem()).unwrap();
        Self { folder, issuer: Issuer::new(parameters, key) }
    }

    /// The certificate of the authority itself, in PEM.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("authority.crt")
    }

    /// Returns a certificate for a name or an address, and its key, both in PEM.
    pub fn signed(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new([name.to_owned()]).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, name);
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

/// A folder in which a certificate and its key are replaced at one moment, as a kubelet does it: the
/// files are links through the link `..data`.
pub struct Mounted {
    folder: TempDir,
    versions: usize,
}

impl Mounted {
    pub fn new(pair: &Pair) -> Self {
        let mut mounted = Self { folder: tempfile::tempdir().unwrap(), versions: 0 };
        for name in ["tls.crt", "tls.key"] {
            let link = mounted.folder.path().join(name);
            std::os::unix::fs::symlink(format!("..data/{name}"), link).unwrap();
        }
        mounted.replace(pair);
        mounted
    }

    /// Replaces both files.
    pub fn replace(&mut self, pair: &Pair) {
        self.replace_with(&pair.certificate_file(), &pair.key_file());
    }

    /// Replaces both files, whether they fit or not.
    pub fn replace_with(&mut self, certificate: &Path, key: &Path) {
        let version = format!("..version{}", self.versions);
        self.versions += 1;
        let folder = self.folder.path();
        fs::create_dir(folder.join(&version)).unwrap();
        fs::copy(certificate, folder.join(&version).join("tls.crt")).unwrap();
        fs::copy(key, folder.join(&version).join("tls.key")).unwrap();
        let new = folder.join("..data_tmp");
        std::os::unix::fs::symlink(&version, &new).unwrap();
        fs::rename(new, folder.join("..data")).unwrap();
    }

    /// Returns the program's arguments for these files.
    pub fn arguments(&self) -> Vec<String> {
        arguments(self.folder.path())
    }
}

fn arguments(folder: &Path) -> Vec<String> {
    let path = |name| folder.join(name).display().to_string();
    vec!["--tls-cert".into(), path("tls.crt"), "--tls-key".into(), path("tls.key")]
}

/// Returns a certificate and its key in PEM, and the certificate as servers send it.
fn made(name: &str, year: i32, key: &KeyPair) -> (String, String, Vec<u8>) {
    let mut parameters = CertificateParams::new([name.to_owned()]).unwrap();
    parameters.not_before = date_time_ymd(2020, 1, 1);
    parameters.not_after = date_time_ymd(year, 1, 1);
    let certificate = parameters.self_signed(key).unwrap();
    (certificate.pem(), key.serialize_pem(), certificate.der().to_vec())
}
