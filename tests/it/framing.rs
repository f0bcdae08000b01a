//! Odd and broken HTTP is answered or disconnected, and changes nothing.

use std::io::{Read, Write};

use crate::support::{TestApp, report};

const HEAD: &str = "POST /api/status HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n";

fn guarded() -> (TestApp, String) {
    let app = TestApp::spawn();
    app.accept(report("repo", "sentinel", "SYNCED", &[]));
    let before = app.get("/status.json").text();
    (app, before)
}

#[test]
fn broken_framing_is_refused_or_disconnected_and_changes_nothing() {
    let (app, before) = guarded();
    let body = report("repo", "smuggled", "SYNCED", &[]);
    let length = body.len();
    let hex = format!("{length:x}");
    for request in [
        format!("{HEAD}Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n{body}"),
        format!("{HEAD}Content-Length: {length}\r\nContent-Length: 5\r\n\r\n{body}"),
        format!("{HEAD}Content-Length: -{length}\r\n\r\n{body}"),
        format!("{HEAD}Content-Length: {length}x\r\n\r\n{body}"),
        format!("{HEAD}Transfer-Encoding: chunked\r\n\r\nx{hex}\r\n{body}\r\n0\r\n\r\n"),
        format!("{HEAD}Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{body}"),
        format!("{HEAD}Transfer-Encoding: nonsense\r\n\r\n{body}"),
        format!("POST /api/status HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{body}"),
        format!("POST /api/status HTTP/9.9\r\nHost: t\r\nContent-Length: {length}\r\n\r\n{body}"),
        format!("{HEAD}X: {}\r\nContent-Length: {length}\r\n\r\n{body}", "x".repeat(300_000)),
        format!("{HEAD}Bad Header\r\nContent-Length: {length}\r\n\r\n{body}"),
        "\r\n\r\n\r\n".to_owned(),
        "nonsense".to_owned(),
        "GET /status.json?q=\u{fc} HTTP/1.1\r\nHost: t\r\n\r\n".to_owned(),
    ] {
        let mut stream = app.connect();
        stream.write_all(request.as_bytes()).ok();
        stream.shutdown(std::net::Shutdown::Write).ok();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let shown = &request[..request.len().min(160)];
        assert!(!answer.contains(" 200 ") && !answer.contains(" 500 "), "{shown}: {answer}");
        assert_eq!(app.get("/status.json").text(), before, "{shown}");
    }
}

#[test]
fn a_truncated_update_is_not_applied() {
    let (app, before) = guarded();
    let body = report("repo", "half", "SYNCED", &[]);
    let chunk = format!("{:x}\r\n{body}", body.len());
    for request in [
        format!("{HEAD}Content-Length: {}\r\n\r\n{body}", body.len() + 1),
        format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n{chunk}"),
        format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n{chunk}\r\n"),
    ] {
        drop(app.connect().write_all(request.as_bytes()));
        app.accept(report("repo", "sentinel", "SYNCED", &[]));
        assert_eq!(app.get("/status.json").text(), before, "{request}");
    }
}

#[test]
fn a_client_that_expects_100_continue_gets_it() {
    let (app, _) = guarded();
    let body = report("repo", "asked", "SYNCED", &[]);
    let mut stream = app.connect();
    let head = format!("{HEAD}Content-Length: {}\r\nExpect: 100-continue\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 1024];
    let count = stream.read(&mut answer).unwrap();
    assert!(answer[..count].starts_with(b"HTTP/1.1 100 Continue\r\n"));
    stream.write_all(body.as_bytes()).unwrap();
    let count = stream.read(&mut answer).unwrap();
    assert!(answer[..count].starts_with(b"HTTP/1.1 200 OK\r\n"));
    assert_eq!(app.names("?server=asked").len(), 1);
}

#[test]
fn requests_may_be_pipelined() {
    let (app, _) = guarded();
    let mut stream = app.connect();
    let bodies: Vec<String> =
        (0..20).map(|number| report("pipe", &format!("s{number:02}"), "SYNCED", &[])).collect();
    let mut requests = String::new();
    for body in &bodies {
        requests += &format!("{HEAD}Content-Length: {}\r\n\r\n{body}", body.len());
    }
    requests += "GET /livez HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n";
    stream.write_all(requests.as_bytes()).unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 21);
    assert_eq!(app.list("?repo=pipe").len(), 20);
}

#[test]
fn a_chunked_update_is_stored() {
    let (app, _) = guarded();
    let body = report("repo", "chunked", "SYNCED", &[]);
    let (first, second) = body.split_at(7);
    let chunks = format!("{:x}\r\n{first}\r\n{:X};x=y\r\n{second}\r\n0\r\n\r\n", 7, body.len() - 7);
    let request = format!("{HEAD}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n{chunks}");
    assert_eq!(app.raw(request.as_bytes()).unwrap().status, 200);
}

#[test]
fn a_client_that_asks_for_an_upgrade_is_told_that_the_connection_ends() {
    let (app, _) = guarded();
    let body = report("repo", "java", "SYNCED", &[]);
    let upgrade =
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n";
    let request = format!("{HEAD}{upgrade}Content-Length: {}\r\n\r\n{body}", body.len());
    let reply = app.raw(request.as_bytes()).unwrap();
    assert_eq!((reply.status, reply.header("connection")), (200, Some("close")));
}

#[test]
fn a_head_that_is_too_large_gets_431_without_a_body() {
    let (app, _) = guarded();
    let request =
        |headers: &str| format!("GET /livez HTTP/1.1\r\nHost: t\r\n{headers}\r\n").into_bytes();
    let reply = app.raw(&request(&"X: 1\r\n".repeat(97))).unwrap();
    assert_eq!((reply.status, reply.body.len()), (431, 0));
    assert_eq!(reply.header("connection"), Some("close"));
    let reply = app.raw(&request(&format!("X: {}\r\n", "x".repeat(200_000))));
    assert!(reply.is_none_or(|reply| reply.status == 431), "it may be cut off as well");
}
