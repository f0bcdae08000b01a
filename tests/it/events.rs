//! Changes as they happen: `GET /api/events`.

use std::time::Duration;

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::support::{Events, Process, TestApp, report, wait_until};

fn synced(app: &TestApp, repo: &str, server: &str) {
    app.accept(report(repo, server, "SYNCED", &[]));
}

fn drifted(app: &TestApp, repo: &str, server: &str) {
    app.accept(report(repo, server, "OUT_OF_SYNC", &["a.conf"]));
}

fn open(app: &TestApp, query: &str) -> Events {
    Events::open(app, &format!("/api/events{query}"), &[]).0
}

fn resume(app: &TestApp, id: &str) -> (Events, bool) {
    Events::open(app, "/api/events", &[("Last-Event-ID", id)])
}

#[test]
fn an_update_is_sent_as_the_list_shows_it() {
    let app = TestApp::spawn();
    let mut events = open(&app, "");
    drifted(&app, "nginx", "web-1");
    let (event, row) = events.next().unwrap();
    assert_eq!(event, "entry");
    assert_eq!(row, app.list("")[0]);
}

#[test]
fn only_the_requested_fields_are_sent() {
    let app = TestApp::spawn();
    let mut events = open(&app, "?fields=server,stale");
    synced(&app, "nginx", "web-1");
    assert_eq!(events.next().unwrap().1, json!({"server": "web-1", "stale": false}));
}

#[test]
fn an_entry_that_leaves_the_selection_is_reported_gone() {
    let app = TestApp::spawn();
    drifted(&app, "nginx", "web-1");
    drifted(&app, "nginx", "web-2");
    let mut events = open(&app, "?drifted=true&repo=nginx");
    synced(&app, "rsyslog", "web-1");
    synced(&app, "nginx", "web-1");
    let pair = |server: &str| json!({"repo": "nginx", "server": server});
    assert_eq!(events.next().unwrap(), ("gone".to_owned(), pair("web-1")));
    app.send("DELETE", "/api/status?repo=nginx&server=web-2", &[], b"");
    assert_eq!(events.next().unwrap(), ("gone".to_owned(), pair("web-2")));
    drifted(&app, "nginx", "web-3");
    let (event, row) = events.next().unwrap();
    assert_eq!((event.as_str(), &row["server"]), ("entry", &Value::from("web-3")));
}

#[test]
fn silence_and_expiry_are_sent_when_they_happen() {
    let app = TestApp::spawn();
    synced(&app, "nginx", "web-1");
    let mut events = open(&app, "");
    app.advance(Duration::from_hours(2));
    let (event, row) = events.next().unwrap();
    assert_eq!((event.as_str(), &row["stale"]), ("entry", &Value::from(true)));
    app.advance(Duration::from_hours(24 * 14));
    assert_eq!(events.next().unwrap().0, "gone");
}

#[test]
fn a_client_that_resumes_gets_the_missed_changes_and_nothing_twice() {
    let app = TestApp::spawn();
    let mut first = open(&app, "");
    synced(&app, "nginx", "web-1");
    first.next().unwrap();
    let id = first.id.clone();
    // A second listener shows when the next change has been sent.
    synced(&app, "nginx", "web-2");
    first.next().unwrap();
    drop(first);
    let (mut second, has_resumed) = resume(&app, &id);
    assert!(has_resumed);
    assert_eq!(second.next().unwrap().1["server"], "web-2");
    synced(&app, "nginx", "web-3");
    assert_eq!(second.next().unwrap().1["server"], "web-3");
    let query = format!("/api/events?last_event_id={}", second.id);
    assert!(Events::open(&app, &query, &[]).1, "a page can say it too");
}

#[test]
fn a_client_that_resumes_too_late_or_on_another_process_is_told_to_read_the_list() {
    let app = TestApp::spawn();
    let mut events = open(&app, "");
    synced(&app, "nginx", "web-1");
    events.next().unwrap();
    let id = events.id.clone();
    let later = format!("{id}9");
    for unknown in ["", "x", "0-0", later.as_str(), "0000000000000000-1"] {
        assert!(!resume(&app, unknown).1, "{unknown}");
    }
    let app = app.restart_after(Duration::from_secs(1));
    assert!(!resume(&app, &id).1);
    assert!(!Events::open(&app, "/api/events", &[]).1, "and who comes for the first time");
}

#[test]
fn a_stream_has_the_headers_that_proxies_and_browsers_need() {
    let app = TestApp::spawn();
    let events = Events::connect(&app, "/api/events", &[("Accept-Encoding", "gzip, br")]);
    let head = events.head.to_ascii_lowercase();
    for line in [
        "content-type: text/event-stream\r\n",
        "cache-control: no-store\r\n",
        "x-accel-buffering: no\r\n",
        "transfer-encoding: chunked\r\n",
    ] {
        assert!(head.contains(line), "{head}");
    }
    assert!(!head.contains("content-encoding"), "{head}");
    let reply = app.send("HEAD", "/api/events", &[], b"");
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("text/event-stream")));
    assert_eq!(reply.header("content-length"), None, "it has no end");
    let message = app.get("/api/events?rpeo=nginx").error(400);
    assert!(message.contains("\"rpeo\"") && message.contains("last_event_id"), "{message}");
}

#[test]
fn a_silent_stream_is_kept_alive_by_comments() {
    let app = TestApp::with(|config| config.idle_timeout = Duration::from_secs(2));
    let mut events = open(&app, "");
    // Longer than the idle timeout.
    (0..3).for_each(|_| events.wait_for_comment());
    synced(&app, "nginx", "web-1");
    assert_eq!(events.next().unwrap().0, "entry");
}

#[test]
fn hostile_names_cannot_break_out_of_their_line() {
    let app = TestApp::spawn();
    let mut events = open(&app, "");
    for name in ["a\u{2028}b", "\"quotes\"", "data: x", "😀\\n", ": comment"] {
        let body = json!({
            "repo": name, "server": name, "sync_status": "OUT_OF_SYNC", "drift_count": 1,
            "files": [{"name": name}], "last_check": "2026-04-21T10:32:15Z",
        });
        app.accept(body.to_string());
        assert_eq!(events.next().unwrap().1["files"][0]["name"], name);
    }
}

#[test]
fn streams_beyond_the_limit_are_answered_503() {
    let app = TestApp::with(|config| config.max_connections = 4);
    let streams = [open(&app, ""), open(&app, "")];
    let reply = app.get("/api/events");
    reply.error(503);
    assert_eq!(reply.header("retry-after"), Some("5"));
    assert!(app.get("/metrics").text().contains("\ngitops_status_event_streams 2\n"));
    drop(streams);
    // The server notices the end of a stream when it next sends to it.
    wait_until("there is room again", || {
        synced(&app, "nginx", "web-1");
        app.advance(Duration::from_secs(1));
        app.get("/metrics").text().contains("\ngitops_status_event_streams 0\n")
    });
    open(&app, "");
}

#[test]
fn streams_end_at_once_when_the_server_stops() {
    let folder = tempdir().unwrap();
    let arguments = ["--shutdown-delay=60s", "--shutdown-grace=60s"];
    let mut process = Process::start(&folder.path().join("a.db"), &arguments);
    let (mut events, _) = Events::open(&process, "/api/events", &[]);
    process.signal("TERM");
    // The streams must end within the read timeout, which is half of the delay.
    events.read_to_end();
    // A new client gets a stream that ends at once, so that a browser reconnects.
    let (mut late, has_resumed) = Events::open(&process, "/api/events", &[]);
    assert!(!has_resumed);
    late.read_to_end();
    process.signal("KILL");
    process.wait();
}

#[test]
fn a_server_with_an_open_stream_stops_within_its_grace() {
    let folder = tempdir().unwrap();
    let mut process = Process::start(&folder.path().join("a.db"), &["--shutdown-grace=60s"]);
    let (mut events, _) = Events::open(&process, "/api/events", &[]);
    assert_eq!(process.terminate().code(), Some(0));
    events.read_to_end();
    assert!(process.log().contains("Stopped\n"), "{}", process.log());
}

#[test]
fn a_client_that_does_not_read_is_disconnected_and_delays_nobody() {
    let app = TestApp::with(|config| {
        config.idle_timeout = Duration::from_secs(2);
    });
    let deaf = Events::connect(&app, "/api/events", &[]);
    let mut listening = open(&app, "?fields=server");
    let names: Vec<String> = (0..1000).map(|file| format!("{file:0>250}")).collect();
    let files: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut number = 0;
    wait_until("the one that does not read is gone", || {
        number += 1;
        let server = format!("web-{number}");
        app.accept(report("nginx", &server, "OUT_OF_SYNC", &files));
        assert_eq!(listening.next().unwrap().1["server"], server.as_str());
        app.get("/metrics").text().contains("\ngitops_status_event_streams 1\n")
    });
    drop(deaf);
}
