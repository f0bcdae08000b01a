//! The original description's requests and answers, word for word.

use std::path::PathBuf;

use crate::access::kit::{ALL, Mount, Token};
use crate::support::{Client, Process, TestApp};

/// The body of the original's curl line.
const EXAMPLE: &str = r#"{
"repo": "rsyslog",
"server": "rsyslog-lab",
"sync_status": "OUT_OF_SYNC",
"drift_count": 2,
"files": [
{"name": "rsyslog.conf"},
{"name": "rsyslog.d/30-lab.conf"}
],
"last_check": "2026-04-21T10:32:15Z"
}"#;

/// The head of the original's example, with its `Host`.
const HEAD: &str = "POST /api/status HTTP/1.1\r\n\
    Host: gitops-status-server.observability-stack.svc.cluster.local:80\r\n\
    Content-Type: application/json\r\n";

/// Sends the original's requests as they are, but for more headers.
fn original_requests_get_the_original_answers(client: &Client, more: &str) {
    let length = EXAMPLE.len();
    let update = format!("{HEAD}{more}Content-Length: {length}\r\n\r\n{EXAMPLE}");
    let reply = client.raw(update.as_bytes()).unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.text(), r#"{"status":"ok","message":"Status updated successfully"}"#);
    let get = |path: &str| {
        let (_, headers) = HEAD.split_once("\r\n").unwrap();
        let reply = client.raw(format!("GET {path} HTTP/1.1\r\n{headers}{more}\r\n").as_bytes());
        let reply = reply.unwrap();
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
        reply.text()
    };
    let start = r#"[{"repo":"rsyslog","server":"rsyslog-lab","sync_status":"OUT_OF_SYNC","drift_count":2,"files":[{"name":"rsyslog.conf"},{"name":"rsyslog.d/30-lab.conf"}],"last_check":"2026-04-21T10:32:15Z","updated_at":""#;
    assert!(get("/status.json").starts_with(start));
    assert!(get("/health").starts_with(r#"{"status":"healthy","timestamp":""#));
    assert!(get("/health").ends_with(r#","tracked_repos":1}"#));
}

#[test]
fn the_originals_requests_work_with_their_host_and_with_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(&folder.path().join("status.db"), &[] as &[&str]);
    original_requests_get_the_original_answers(&server, "");
    let token = Token::new("original", ALL);
    let mount = Mount::new(&[&token]);
    let server = mount.program(&["--require-read-token"]);
    let bearer = format!("Authorization: Bearer {}\r\n", token.text);
    original_requests_get_the_original_answers(&server, &bearer);
}

#[test]
fn an_update_gets_the_answer_of_the_original() {
    let app = TestApp::spawn();
    let reply = app.post(EXAMPLE);
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.text(), r#"{"status":"ok","message":"Status updated successfully"}"#);
}

#[test]
fn a_bad_update_gets_the_answer_of_the_original() {
    let app = TestApp::spawn();
    for (body, message) in [
        ("{", "Invalid JSON payload"),
        (r#"{"server":"s"}"#, "Missing required field: repo"),
        (&EXAMPLE.replace("OUT_OF_SYNC", "BROKEN"), "sync_status must be SYNCED or OUT_OF_SYNC"),
    ] {
        let reply = app.post(body);
        assert_eq!(reply.status, 400);
        let start = format!(r#"{{"status":"error","message":"{message}""#);
        assert!(reply.text().starts_with(&start), "{}", reply.text());
    }
}

#[test]
fn the_list_begins_with_the_originals_fields_in_its_order() {
    let app = TestApp::spawn();
    assert_eq!(app.get("/status.json").text(), "[]");
    app.accept(EXAMPLE);
    let reply = app.get("/status.json");
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let start = r#"[{"repo":"rsyslog","server":"rsyslog-lab","sync_status":"OUT_OF_SYNC","drift_count":2,"files":[{"name":"rsyslog.conf"},{"name":"rsyslog.d/30-lab.conf"}],"last_check":"2026-04-21T10:32:15Z","updated_at":"2026-04-21T10:32:15.000Z","#;
    assert!(reply.text().starts_with(start), "{}", reply.text());
}

#[test]
fn health_counts_the_tracked_entries() {
    let app = TestApp::spawn();
    app.accept(EXAMPLE);
    let reply = app.get("/health");
    assert_eq!(reply.status, 200);
    let expected =
        r#"{"status":"healthy","timestamp":"2026-04-21T10:32:15.000Z","tracked_repos":1}"#;
    assert_eq!(reply.text(), expected);
}

#[test]
fn an_update_answered_with_200_is_there_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let database: PathBuf = folder.path().join("status.db");
    let server = Process::start(&database, &[] as &[&str]);
    server.accept(EXAMPLE);
    let before = server.get("/status.json").text();
    server.kill();
    let mut server = Process::start(&database, &[] as &[&str]);
    assert_eq!(server.get("/status.json").text(), before);
    assert_eq!(server.terminate().code(), Some(0));
}
