//! The addresses to listen on, and the health check, which asks one of them.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use super::run::Run;
use crate::support::free_address;

#[test]
fn the_port_of_probes_is_another_one_than_the_main_port() {
    for (listen, admin) in [
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("127.0.0.1:8080", "0.0.0.0:8080"),
        ("127.0.0.1:8080", "[::]:8080"),
        ("[::ffff:127.0.0.1]:8080", "localhost:8080"),
    ] {
        Run::new(&["--listen", listen, "--admin-listen", admin]).refused(&[
            "flag --admin-listen",
            admin,
            "must have another port than listen, which is",
            listen,
            "flag --listen",
        ]);
    }
    for (listen, admin) in [
        ("127.0.0.1:8080", "127.0.0.1:8081"),
        ("127.0.0.1:8080", "0.0.0.0:8081"),
        ("127.0.0.1:8080", "[::1]:8080"),
        ("127.0.0.1:0", "127.0.0.1:0"),
        ("127.0.0.1:8080", ""),
    ] {
        let words = ["check-config", "--listen", listen, "--admin-listen", admin];
        let (_, table) = Run::new(&words).checked();
        assert_eq!(table["admin_listen"].as_str(), Some(admin));
    }
    Run::new(&["--admin-listen", "9090"]).refused(&["flag --admin-listen \"9090\"", "IP:PORT"]);
}

#[test]
fn a_health_check_without_a_server_fails_in_one_line() {
    let address = free_address();
    let outcome = Run::new(&["healthcheck", "--listen", &address.to_string()]).finish();
    assert_eq!((outcome.status, outcome.out.as_str()), (Some(1), ""));
    assert!(outcome.err.starts_with(&format!("error: {address} is not healthy: ")));
    assert_eq!(outcome.err.lines().count(), 1);
    assert_eq!(outcome.created, [""; 0]);
}

/// The health check of a container does not know the flags of its server.
#[test]
fn a_health_check_reads_only_the_address_setting() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 1024]).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    });
    let outcome = Run::new(&["healthcheck"])
        .env("GITOPS_STATUS_LISTEN", format!("0.0.0.0:{port}"))
        .env("GITOPS_STATUS_DATABASE_URL_FILE", "missing")
        .finish();
    assert_eq!((outcome.status, outcome.err.as_str()), (Some(0), ""));
    server.join().unwrap();
}
