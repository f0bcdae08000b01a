//! The files of a certificate and its key as people hand them over, with all their mistakes.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{shown_by, start};
use crate::config::run::Run;
use crate::support::{Pair, Process, run_tool};

/// Returns a certificate in PEM whose version is said to be 1.
fn of_version_1(certificate: &[u8]) -> String {
    let version = |number| [0xa0, 3, 2, 1, number];
    let at = certificate.windows(5).position(|part| part == version(2)).unwrap();
    let mut changed = certificate.to_vec();
    changed[at..at + 5].copy_from_slice(&version(0));
    let body = STANDARD.encode(changed);
    format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
}

#[test]
fn files_with_a_byte_order_mark_serve() {
    let pair = Pair::signed_by_itself("127.0.0.1");
    for file in [pair.certificate_file(), pair.key_file()] {
        let content = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("\u{feff}{content}")).unwrap();
    }
    let (_folder, server) = start(&pair.arguments(), &[]);
    assert!(shown_by(&server) == pair.certificate);
}

#[test]
fn a_start_with_files_that_do_not_serve_names_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let pair = Pair::signed_by_itself("127.0.0.1");
    let other = Pair::signed_by_itself("127.0.0.1");
    let cert = pair.certificate_file().display().to_string();
    let key = pair.key_file().display().to_string();
    let pem = fs::read_to_string(&cert).unwrap();
    let empty = write("empty", b"");
    let der = write("der", &pair.certificate);
    let cut = write("cut", &pem.as_bytes()[..pem.len() / 2]);
    let broken = write("broken", pem.replacen('M', "!", 3).as_bytes());
    let no_x509 =
        write("no-x509", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let key_pem = fs::read_to_string(&key).unwrap();
    let body = key_pem.lines().nth(1).unwrap();
    let begin = "-----BEGIN PRIVATE KEY-----\n";
    let encrypted = write("encrypted", key_pem.replace("PRIVATE", "ENCRYPTED PRIVATE").as_bytes());
    let header = "Proc-Type: 4,ENCRYPTED\nDEK-Info: X\n\n";
    let older = write("older", key_pem.replace(begin, &format!("{begin}{header}")).as_bytes());
    let no_key = write("no-key", key_pem.replacen(body, &body.replace('M', "A"), 1).as_bytes());
    let indented = write(
        "indented",
        format!("{pem}{}", pem.replace("--\nM", "--\n  M").replace("-----BEGIN", "  -----BEGIN"))
            .as_bytes(),
    );
    let other_pem = fs::read_to_string(other.certificate_file()).unwrap();
    let reversed = write("reversed", format!("{other_pem}{pem}").as_bytes());
    let version_1 = write("version-1", of_version_1(&pair.certificate).as_bytes());
    let pipe = folder.path().join("pipe").display().to_string();
    run_tool("mkfifo", "coreutils", &[&pipe], "");
    let other_key = other.key_file().display().to_string();
    let missing = folder.path().join("missing").display().to_string();
    let of_the_key = |path: &str| format!("tls_key \"{path}\"");
    let of_the_certificate = |path: &str| format!("tls_cert \"{path}\"");
    for (cert, key, place, reason) in [
        (&empty, &key, of_the_certificate(&empty), "holds no certificate in PEM"),
        (&der, &key, of_the_certificate(&der), "holds no certificate in PEM"),
        (&key, &key, of_the_certificate(&key), "holds no certificate in PEM"),
        (&cut, &key, of_the_certificate(&cut), "is not PEM"),
        (&broken, &key, of_the_certificate(&broken), "is not PEM"),
        (&no_x509, &key, of_the_certificate(&no_x509), "holds no X.509 certificate"),
        (&cert, &cert, of_the_key(&cert), "holds no private key in PEM"),
        (&cert, &encrypted, of_the_key(&encrypted), "holds an encrypted key"),
        (&cert, &older, of_the_key(&older), "holds an encrypted key"),
        (&cert, &no_key, of_the_key(&no_key), "holds a key of another kind than RSA"),
        (&cert, &other_key, of_the_key(&other_key), "does not fit the certificate"),
        (&missing, &key, of_the_certificate(&missing), "cannot read: No such file"),
        (
            &indented,
            &key,
            of_the_certificate(&indented),
            "holds a certificate that cannot be read: its lines are indented",
        ),
        (
            &reversed,
            &key,
            of_the_certificate(&reversed),
            "has the certificate of the key after another: the server's own must come first",
        ),
        (
            &version_1,
            &key,
            of_the_certificate(&version_1),
            "holds a certificate of X.509 version 1 or 2: expected 3",
        ),
        (
            &pipe,
            &key,
            of_the_certificate(&pipe),
            "cannot read: it is a pipe; expected a file that can be read again",
        ),
        (
            &cert,
            &pipe,
            of_the_key(&pipe),
            "cannot read: it is a pipe; expected a file that can be read again",
        ),
    ] {
        let mut command = Process::command(&folder.path().join("status.db"));
        command.args(["--tls-cert", cert, "--tls-key", key]);
        let (status, output) = Process::run_to_end(&mut command);
        assert_eq!(status.code(), Some(2), "{output}");
        let last = output.lines().last().unwrap();
        assert!(last.contains(&format!("{place}: {reason}")), "{reason}: {output}");
        let check = ["check-config", "--tls-cert", cert, "--tls-key", key];
        Run::new(&check).refused(&[&format!("{place}: {reason}")]);
        if *key != pipe {
            let of_key = fs::read_to_string(key).unwrap();
            let is_secret = |line: &&str| line.len() > 40 && !line.starts_with('-');
            let secret = of_key.lines().find(is_secret).expect("the file has a long line");
            assert!(!output.contains(secret), "{output}");
        }
        assert!(!folder.path().join("status.db").exists(), "nothing has been opened");
    }
    for (given, missing) in [("--tls-cert", "tls-key"), ("--tls-key", "tls-cert")] {
        let mut command = Process::command(&folder.path().join("status.db"));
        let (status, output) = Process::run_to_end(command.args([given, &cert]));
        assert_eq!(status.code(), Some(2), "{output}");
        assert!(output.contains(&format!("needs --{missing}")), "{output}");
    }
}
