//! TLS on the server's port: the certificate, its replacement, and clients that do not finish.

mod files;
mod flood;
mod outcomes;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::{
    Connection, Events, Mounted, Pair, Process, Reply, Transport, report, run_tool, wait_until,
};

const LIVEZ: &[u8] = b"GET /livez HTTP/1.1\r\nHost: t\r\n\r\n";

/// Starts the program with arguments; the folder has its database.
fn start(arguments: &[String], more: &[&str]) -> (TempDir, Process) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("status.db");
    (folder, Process::run(Process::command(&path).args(arguments).args(more)))
}

fn metric(server: &Process, name: &str) -> f64 {
    let text = server.get("/metrics").text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
}

fn handshakes(server: &Process, outcome: &str) -> f64 {
    metric(server, &format!("gitops_status_tls_handshakes_total{{outcome=\"{outcome}\"}}"))
}

/// Returns the certificate that a new client sees.
fn shown_by(server: &Process) -> Vec<u8> {
    let mut client = server.connect();
    client.write_all(LIVEZ).unwrap();
    client.certificate().unwrap()
}

#[test]
fn curl_trusts_the_certificate_and_updates_lists_pages_and_streams_work() {
    let pair = Pair::signed_by_itself("127.0.0.1");
    let (folder, server) = start(&pair.arguments(), &[]);
    assert!(server.log().contains("Listening on https://127.0.0.1:"), "{}", server.log());
    let url = format!("https://{}", server.address);
    let page = server.get("/").text();
    assert!(page.contains("https://test/"), "the command to copy: {page}");
    let trusted = pair.certificate_file().display().to_string();
    let curl = |arguments: &[&str]| {
        let common = ["-sS", "--fail-with-body", "--max-time", "20", "--cacert", &trusted];
        run_tool("curl", "curl", &[&common, arguments].concat(), "")
    };
    let body = folder.path().join("report.json");
    fs::write(&body, report("rsyslog", "web-1", "OUT_OF_SYNC", &["a"])).unwrap();
    let data = format!("@{}", body.display());
    let json = "Content-Type: application/json";
    for version in [&["--tlsv1.3"][..], &["--tls-max", "1.2"]] {
        let target = format!("{url}/api/status");
        let answer = curl(&[version, &["-H", json, "--data-binary", &data, &target]].concat());
        assert_eq!(answer, "{\"status\":\"ok\",\"message\":\"Status updated successfully\"}");
    }
    assert!(curl(&[&format!("{url}/status.json")]).contains("\"server\":\"web-1\""));
    // A client that prefers HTTP/2 gets HTTP/1.1.
    let head = curl(&["--http2", "-I", &format!("{url}/livez")]);
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let (mut events, _) = Events::open(&server, "/api/events", &[]);
    server.accept(report("rsyslog", "web-2", "SYNCED", &[]));
    assert_eq!(events.next().unwrap().0, "entry");
}

#[test]
fn an_expired_certificate_is_served_with_a_warning() {
    let pair = Pair::valid_until("127.0.0.1", 2021);
    let (_folder, server) = start(&pair.arguments(), &[]);
    assert!(
        server.log().contains("WARN ] The TLS certificate expired at 2021-01-01T00:00:00.000Z")
    );
    assert_eq!(server.get("/livez").status, 200);
    let expires = metric(&server, "gitops_status_tls_certificate_expires_timestamp_seconds");
    assert!((expires - 1_609_459_200.0).abs() < 0.5, "{expires}");
}

#[test]
fn a_replaced_certificate_is_shown_to_new_clients_and_nobody_loses_a_connection_or_an_update() {
    let (first, second) =
        (Pair::signed_by_itself("127.0.0.1"), Pair::valid_until("127.0.0.1", 2090));
    let mut mounted = Mounted::new(&first);
    let (_folder, server) = start(&mounted.arguments(), &[]);
    assert!(shown_by(&server) == first.certificate);
    let (mut events, _) = Events::open(&server, "/api/events", &[]);
    let is_over = AtomicBool::new(false);
    let post = |connection: &mut Connection, name: &str| {
        let body = report("r", name, "SYNCED", &[]);
        connection.write_all(crate::support::update_request(&body).as_bytes()).unwrap();
        let reply = Reply::read(connection).expect("the connection lasts");
        assert_eq!((reply.status, reply.header("connection")), (200, None));
    };
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (is_over, server, post) = (&is_over, &server, &post);
            scope.spawn(move || {
                let mut lasting = server.connect();
                while !is_over.load(Ordering::Relaxed) {
                    post(&mut lasting, &format!("lasting-{writer}"));
                    post(&mut server.connect(), &format!("new-{writer}"));
                }
            });
        }
        for number in 0..10 {
            let next = if number % 2 == 0 { &second } else { &first };
            mounted.replace(next);
            if number % 3 == 0 {
                server.signal("HUP");
            }
            wait_until("new clients see the new certificate", || {
                shown_by(&server) == next.certificate
            });
        }
        mounted.replace(&second);
        wait_until("the last one is in force", || shown_by(&server) == second.certificate);
        is_over.store(true, Ordering::Relaxed);
    });
    let expires = metric(&server, "gitops_status_tls_certificate_expires_timestamp_seconds");
    assert!((expires - 3_786_912_000.0).abs() < 0.5, "{expires}");
    server.accept(report("r", "last", "OUT_OF_SYNC", &[]));
    while events.next().expect("the stream lasts").1["server"] != "last" {}
}

#[test]
fn files_that_do_not_fit_keep_the_old_certificate_and_the_server_says_so() {
    let (first, second) =
        (Pair::signed_by_itself("127.0.0.1"), Pair::signed_by_itself("127.0.0.1"));
    let mut mounted = Mounted::new(&first);
    let (_folder, server) = start(&mounted.arguments(), &[]);
    assert!((metric(&server, "gitops_status_tls_files_valid") - 1.0).abs() < 0.1);
    mounted.replace_with(&second.certificate_file(), &first.key_file());
    server.signal("HUP");
    let said = "does not fit the certificate; the certificate from before stays in force";
    wait_until("the log says so", || server.log().contains(said));
    assert!(shown_by(&server) == first.certificate);
    assert!(metric(&server, "gitops_status_tls_files_valid") < 0.1);
    let health = server.get("/health").json();
    assert_eq!(health["status"], "degraded");
    let message = health["message"].as_str().unwrap();
    assert!(message.contains("the TLS certificate or its key is not valid"), "{message}");
    mounted.replace(&second);
    wait_until("the pair is in force", || shown_by(&server) == second.certificate);
    assert_eq!(server.get("/health").json()["status"], "healthy");
    assert!((metric(&server, "gitops_status_tls_files_valid") - 1.0).abs() < 0.1);
}

/// The beginning of a handshake that never goes on. It announces 16 KiB, more than a test drips before it
/// is cut off.
const HALF_A_HANDSHAKE: &[u8] = &[22, 3, 1, 0x40, 0, 1];

/// Opens a TCP connection and sends bytes on it.
fn sending(server: &Process, bytes: &[u8]) -> TcpStream {
    let mut socket = TcpStream::connect(server.address).unwrap();
    socket.write_all(bytes).unwrap();
    socket
}

fn is_closed(socket: &mut TcpStream) -> bool {
    socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    match socket.read(&mut [0; 512]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn clients_that_never_finish_a_handshake_do_not_keep_others_out() {
    let pair = Pair::signed_by_itself("127.0.0.1");
    let limits = ["--max-connections", "64", "--idle-timeout", "1h"];
    let (_folder, server) = start(&pair.arguments(), &limits);
    let held: Vec<TcpStream> = (0..300)
        .map(|number| match number % 3 {
            0 => sending(&server, b""),
            1 => sending(&server, HALF_A_HANDSHAKE),
            _ => sending(&server, &[22]),
        })
        .collect();
    for number in 0..20 {
        server.accept(report("r", &format!("s{number}"), "SYNCED", &[]));
    }
    let full = metric(&server, "gitops_status_connections_closed_total{reason=\"full\"}");
    assert!(full >= 200.0, "{full}");
    assert!(metric(&server, "gitops_status_connections") <= 69.0);
    drop(held);
}

#[test]
fn a_handshake_that_drips_is_cut_off_and_counted() {
    let pair = Pair::signed_by_itself("127.0.0.1");
    let (_folder, server) = start(&pair.arguments(), &["--idle-timeout", "1h"]);
    let mut silent = sending(&server, b"");
    let mut dripping = sending(&server, HALF_A_HANDSHAKE);
    let mut is_silent_over = false;
    let mut is_dripping_over = false;
    wait_until("both are closed within 10 seconds or so", || {
        is_silent_over = is_silent_over || is_closed(&mut silent);
        is_dripping_over = is_dripping_over || is_closed(&mut dripping);
        is_dripping_over = is_dripping_over || dripping.write_all(&[0]).is_err();
        is_silent_over && is_dripping_over
    });
    assert!(handshakes(&server, "timed_out") >= 2.0);
    let line = "The TLS handshake of 127.0.0.1 failed: it was not over within 10 seconds";
    server.expect_logged_once(line);
}

#[test]
fn a_handshake_counts_as_idle_and_as_a_connection_of_its_address() {
    let pair = Pair::signed_by_itself("127.0.0.1");
    let limits = ["--max-connections-per-address", "3", "--idle-timeout", "1s"];
    let (_folder, server) = start(&pair.arguments(), &limits);
    let mut held: Vec<TcpStream> = (0..3).map(|_| sending(&server, HALF_A_HANDSHAKE)).collect();
    wait_until("idle handshakes are closed", || held.iter_mut().all(is_closed));
    assert!(metric(&server, "gitops_status_connections_closed_total{reason=\"idle\"}") >= 3.0);
    let (_folder, server) = start(&pair.arguments(), &limits[..2]);
    let mut held: Vec<TcpStream> = (0..3).map(|_| sending(&server, HALF_A_HANDSHAKE)).collect();
    wait_until("the oldest gives way to another of its address", || {
        let is_answered = server.raw(LIVEZ).is_some_and(|reply| reply.status == 200);
        is_answered && held.iter_mut().any(is_closed)
    });
    assert!(handshakes(&server, "timed_out") < 0.5, "it gave way, and did not time out");
}

#[test]
fn plain_http_at_the_port_of_tls_is_answered_in_words() {
    let pair = Pair::signed_by_itself("127.0.0.1");
    let (_folder, server) = start(&pair.arguments(), &[]);
    for request in [LIVEZ, b"POST /api/status HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\n{}"] {
        for _ in 0..5 {
            let mut socket = sending(&server, request);
            let reply = Reply::read(&mut socket).unwrap();
            for (name, value) in gitops_status_server::http::HEADERS_OF_ALL {
                assert_eq!(reply.header(&name.to_lowercase()), Some(value));
            }
            let message = reply.error(400);
            assert_eq!(message, "This port speaks TLS: use https://");
        }
    }
    assert!(handshakes(&server, "plain_http") >= 10.0);
    let line = "127.0.0.1 sends plain HTTP, and this port speaks TLS: use https://";
    server.expect_logged_once(line);
}

#[test]
fn tls_at_a_port_of_plain_http_is_refused_and_logged_once_a_minute() {
    let folder = tempfile::tempdir().unwrap();
    let server = Transport::Plain.start(&folder.path().join("status.db"), &[]);
    for _ in 0..5 {
        let mut client = Connection::over(TcpStream::connect(server.address).unwrap(), true);
        assert!(client.write_all(LIVEZ).is_err());
    }
    let line = "127.0.0.1 speaks TLS, and this port plain HTTP: use http://, or set tls_cert";
    wait_until("the log says so", || server.log().contains(line));
    assert_eq!(server.log().matches("speaks TLS").count(), 1, "{}", server.log());
    assert_eq!(server.get("/livez").status, 200);
}

#[test]
fn a_client_that_does_not_trust_the_certificate_is_logged_once_a_minute() {
    let pair = Pair::signed_by_itself("127.0.0.1");
    let (_folder, server) = start(&pair.arguments(), &[]);
    for _ in 0..5 {
        let url = format!("https://{}/livez", server.address);
        let output = Command::new("curl").args(["-sS", &url]).output();
        let status = output.expect("curl is missing (Debian package curl)").status;
        assert_eq!(status.code(), Some(60), "curl's status for an unknown authority");
    }
    wait_until("all are counted", || handshakes(&server, "refused") >= 5.0);
    let line = "The TLS handshake of 127.0.0.1 failed: the client does not accept the certificate";
    server.expect_logged_once(line);
}

#[test]
fn a_port_that_is_only_looked_at_leaves_no_line_in_the_log() {
    let pair = Pair::signed_by_itself("127.0.0.1");
    let (_folder, server) = start(&pair.arguments(), &[]);
    for _ in 0..5 {
        drop(sending(&server, b""));
    }
    wait_until("they are gone", || metric(&server, "gitops_status_connections") <= 1.0);
    assert!(!server.log().contains("handshake"), "{}", server.log());
}

#[test]
fn a_stop_ends_unfinished_handshakes_at_once() {
    let pair = Pair::signed_by_itself("127.0.0.1");
    let (_folder, mut server) = start(&pair.arguments(), &["--shutdown-grace", "1h"]);
    let held = [sending(&server, b""), sending(&server, HALF_A_HANDSHAKE)];
    wait_until("both are known", || metric(&server, "gitops_status_connections") >= 3.0);
    assert_eq!(server.terminate().code(), Some(0));
    drop(held);
}

#[test]
fn healthcheck_speaks_tls_to_a_server_that_does() {
    let pair = Pair::signed_by_itself("elsewhere.example");
    let (folder, server) = start(&pair.arguments(), &[]);
    let check = |arguments: &[String]| {
        let mut command = Process::command(&folder.path().join("other.db"));
        let listen = server.address.to_string();
        command.args(["healthcheck", "--listen", &listen]).args(arguments);
        Process::run_to_end(&mut command)
    };
    let (status, output) = check(&pair.arguments());
    assert_eq!(status.code(), Some(0), "{output}");
    let (status, output) = check(&[]);
    assert_eq!(status.code(), Some(1), "{output}");
    assert!(output.contains("400"), "{output}");
}
