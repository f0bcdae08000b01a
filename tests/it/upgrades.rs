//! Requests with an `Upgrade` header, which common proxy configurations add to every request. The
//! header changes nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::support::{Reply, TestApp, report};

const HEAD: &str = "POST /api/status HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n";

/// Spellings of the header as proxies and clients send them.
const UPGRADES: [&str; 8] = [
    "Upgrade: websocket\r\n",
    "Upgrade: WebSocket\r\nConnection: Upgrade\r\n",
    "upgrade: WEBSOCKET\r\nConnection: upgrade\r\n",
    "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n",
    "Upgrade: websocket\r\nConnection: close\r\n",
    "Upgrade: websocket\r\nConnection: keep-alive\r\n",
    "Upgrade:   websocket  \r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n",
    "Upgrade: h2c\r\nUpgrade: websocket\r\n",
];

/// Sends bytes and reads to the end of the connection.
fn exchange(app: &TestApp, pieces: &[&[u8]]) -> String {
    let mut stream = app.connect();
    for piece in pieces {
        stream.write_all(piece).unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Sends a request, closes the sending side, and reads the answer.
fn send_and_half_close(app: &TestApp, request: &[u8]) -> Reply {
    let mut stream = app.connect();
    stream.write_all(request).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    Reply::parse(&answer).unwrap()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn an_update_is_stored_with_any_upgrade_header() {
    let app = TestApp::spawn();
    for (number, upgrade) in UPGRADES.iter().enumerate() {
        for is_half_closed in [false, true] {
            let server = format!("s{number}-{is_half_closed}");
            let body = report("proxy", &server, "SYNCED", &["a.conf"]);
            let packed = gzip(&report("proxy", &format!("{server}-gzip"), "SYNCED", &[]));
            let chunks = report("proxy", &format!("{server}-chunked"), "SYNCED", &[]);
            let chunks = format!("{:x}\r\n{chunks}\r\n0\r\n\r\n", chunks.len());
            for (framing, body) in [
                (format!("Content-Length: {}\r\n", body.len()), body.as_bytes()),
                (
                    format!("Content-Length: {}\r\nContent-Encoding: gzip\r\n", packed.len()),
                    &packed[..],
                ),
                (
                    "Transfer-Encoding: chunked\r\nConnection: close\r\n".to_owned(),
                    chunks.as_bytes(),
                ),
            ] {
                let head = format!("{HEAD}{upgrade}{framing}\r\n");
                let request = [head.as_bytes(), body].concat();
                let reply = if is_half_closed {
                    send_and_half_close(&app, &request)
                } else {
                    app.raw(&request).unwrap()
                };
                assert_eq!(reply.status, 200, "{head}: {}", reply.text());
                assert_eq!(reply.header("connection"), Some("close"), "{head}");
                assert_eq!(reply.header("upgrade"), None, "{head}");
            }
        }
    }
    assert_eq!(app.list("?repo=proxy").len(), UPGRADES.len() * 2 * 3);
}

#[test]
fn bytes_after_an_update_with_an_upgrade_are_no_request() {
    let app = TestApp::spawn();
    let first = report("proxy", "first", "SYNCED", &[]);
    let second = report("proxy", "second", "SYNCED", &[]);
    let length = first.len();
    let next = format!("{HEAD}Content-Length: {}\r\n\r\n{second}", second.len());
    for before in ["", "GET /livez HTTP/1.1\r\nHost: t\r\n\r\n"] {
        let text =
            format!("{before}{HEAD}Upgrade: websocket\r\nContent-Length: {length}\r\n\r\n{first}");
        for pieces in [
            vec![text.as_bytes(), next.as_bytes()],
            text.as_bytes().chunks(7).chain([next.as_bytes()]).collect(),
        ] {
            let answers = exchange(&app, &pieces);
            let count = 1 + usize::from(!before.is_empty());
            assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), count, "{answers}");
            assert_eq!(answers.matches("HTTP/1.1").count(), count, "{answers}");
        }
    }
    assert_eq!(app.names(""), ["proxy/first"]);
}

#[test]
fn a_truncated_update_with_an_upgrade_is_not_stored() {
    let app = TestApp::spawn();
    let body = report("proxy", "cut", "SYNCED", &[]);
    for length in ["Content-Length: 1000\r\n", "Content-Length: 0\r\n", ""] {
        let request = format!("{HEAD}Upgrade: websocket\r\n{length}\r\n{body}");
        send_and_half_close(&app, request.as_bytes()).error(400);
    }
    let large = format!("{HEAD}Upgrade: websocket\r\nContent-Length: 99999999\r\n\r\n");
    send_and_half_close(&app, large.as_bytes()).error(413);
    for broken in ["Content-Length: 5\r\nContent-Length: 9\r\n", "Content-Length: +9\r\n"] {
        let request = format!("{HEAD}Upgrade: websocket\r\n{broken}\r\n{body}");
        assert_eq!(send_and_half_close(&app, request.as_bytes()).status, 400, "{broken}");
    }
    assert!(app.list("").is_empty());
}

#[test]
fn every_get_path_answers_in_full_with_an_upgrade() {
    let app = TestApp::spawn();
    for server in ["a", "b", "c"] {
        app.accept(report("r", server, "OUT_OF_SYNC", &["a.conf"]));
    }
    for path in ["/", "/status.json", "/status.csv", "/api/history", "/openapi.json", "/livez"] {
        let plain = app.get(path);
        let reply = app.get_with(path, &[("Upgrade", "websocket")]);
        assert_eq!((reply.status, &reply.body), (plain.status, &plain.body), "{path}");
        let length = plain.body.len().to_string();
        assert_eq!(reply.header("content-length"), Some(length.as_str()), "{path}");
    }
}

#[test]
fn a_stream_of_changes_works_with_an_upgrade() {
    let app = TestApp::spawn();
    for (number, upgrade) in UPGRADES.iter().enumerate() {
        let mut stream = app.connect();
        let request = format!("GET /api/events HTTP/1.1\r\nHost: t\r\n{upgrade}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
        let head: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
        assert_eq!(head[0], "HTTP/1.1 200 OK", "{upgrade}");
        // Without a length and chunks, all bytes up to the end are the stream.
        assert!(!head.iter().any(|line| line.starts_with("transfer-encoding")), "{head:?}");
        assert!(head.contains(&"connection: close".to_owned()), "{head:?}");
        assert_eq!(lines.next().as_deref(), Some("retry: 2000"), "{upgrade}");
        let server = format!("s{number}");
        app.accept(report("proxy", &server, "OUT_OF_SYNC", &[]));
        let row = format!("data: {{\"repo\":\"proxy\",\"server\":\"{server}\",");
        assert!(lines.any(|line| line.starts_with(&row)), "{upgrade}");
    }
}
