//! Large answers, which are rendered while they are sent.

use std::fs;
use std::io::{Read, Write};
use std::time::Duration;

use serde_json::Value;

use crate::support::{Client, Connection, Process, Reply, TestApp, report};

/// Stores entries, most of them with that many files: a row is larger than most answers.
fn fill(server: &Client, entries: usize, files: usize) {
    let long = "x".repeat(90);
    let files: Vec<String> = (0..files).map(|number| format!("{number:04}\"{long}")).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    for number in 0..entries {
        let count = if number % 3 == 2 { number } else { files.len() };
        let name = format!("server-{number:03}");
        server.accept(report("repo", &name, "OUT_OF_SYNC", &files[..count]));
    }
}

fn decoded(reply: &Reply) -> Vec<u8> {
    if reply.header("content-encoding") != Some("br") {
        return reply.inflated();
    }
    let mut plain = Vec::new();
    brotli::Decompressor::new(reply.body.as_slice(), 4096).read_to_end(&mut plain).unwrap();
    plain
}

#[test]
fn an_answer_in_pieces_equals_the_small_answers_joined() {
    const ENTRIES: usize = 4;
    let app = TestApp::spawn();
    // Rows so large that their segments do not cache them.
    fill(&app, ENTRIES, 3_000);
    for query in [
        "/status.json?sort=-server",
        "/status.json?server=s*",
        "/status.json?flat=true&sort=server",
        "/status.json?fields=files,repo",
        "/status.csv?sort=-server",
        "/status.csv?fields=files",
        "/status.csv?fields=revision,files,server",
    ] {
        let reply = app.get(query);
        assert_eq!(reply.header("transfer-encoding"), Some("chunked"), "{query}");
        assert_eq!(reply.header("content-length"), None, "{query}");
        assert_eq!(reply.header("x-total-count"), Some("4"), "{query}");
        assert!(reply.is_complete(), "{query}");
        let rows: Vec<String> = (0..ENTRIES)
            .map(|offset| app.get(&format!("{query}&limit=1&offset={offset}")).text())
            .collect();
        let expected = if query.starts_with("/status.csv") {
            let header = rows[0].split_inclusive("\r\n").next().unwrap();
            let lines: String = rows.iter().map(|row| &row[header.len()..]).collect();
            header.to_owned() + &lines
        } else {
            let objects: Vec<&str> = rows.iter().map(|row| &row[1..row.len() - 1]).collect();
            format!("[{}]", objects.join(","))
        };
        assert!(reply.text() == expected, "{query}");
        for coding in ["gzip", "br"] {
            let coded = app.get_with(query, &[("Accept-Encoding", coding)]);
            assert_eq!(coded.header("content-encoding"), Some(coding), "{query}");
            assert!(decoded(&coded) == reply.body, "{query} {coding}");
            let tag = coded.header("etag").unwrap();
            let again = app.get_with(query, &[("Accept-Encoding", coding), ("If-None-Match", tag)]);
            assert_eq!(again.status, 304, "{query} {coding}");
        }
        let head = app.send("HEAD", query, &[], b"");
        assert_eq!((head.status, head.body.len()), (200, 0), "{query}");
        assert_eq!(head.header("etag"), reply.header("etag"), "{query}");
        assert_eq!(head.header("content-length"), None, "{query}");
    }
}

#[test]
fn a_repository_in_the_plain_list_is_sent_from_cached_rows() {
    let app = TestApp::spawn();
    for number in 0..600 {
        let repo = if number % 2 == 0 { "even" } else { "odd" };
        app.accept(report(repo, &format!("server-{number:03}"), "OUT_OF_SYNC", &["a", "b", "c"]));
    }
    let whole = app.list("");
    for (query, range) in [("?repo=odd", 300..600), ("?repo=even&limit=299&offset=1", 1..300)] {
        let target = format!("/status.json{query}");
        let reply = app.get(&target);
        let length = reply.body.len();
        assert!(length > 64 * 1024, "{length}");
        assert_eq!(reply.header("content-length"), Some(length.to_string().as_str()));
        assert_eq!(reply.json().as_array().unwrap()[..], whole[range]);
        for coding in ["gzip", "br"] {
            let coded = app.get_with(&target, &[("Accept-Encoding", coding)]);
            assert_eq!(coded.header("content-encoding"), Some(coding));
            assert!(decoded(&coded) == reply.body, "{coding}");
        }
    }
}

/// Asserts that an answer comes in pieces and is the same in every coding; returns it.
fn in_pieces(app: &TestApp, target: &str) -> Value {
    let reply = app.get(target);
    assert_eq!(
        (reply.status, reply.header("transfer-encoding")),
        (200, Some("chunked")),
        "{target}"
    );
    assert!(reply.is_complete(), "{target}");
    for coding in ["gzip", "br"] {
        let coded = app.get_with(target, &[("Accept-Encoding", coding)]);
        assert_eq!(coded.header("content-encoding"), Some(coding), "{target}");
        assert!(decoded(&coded) == reply.body, "{target} {coding}");
    }
    assert_eq!(app.send("HEAD", target, &[], b"").status, 200, "{target}");
    reply.json()
}

#[test]
fn an_http_1_0_client_gets_a_large_answer_without_chunks() {
    let app = TestApp::spawn();
    fill(&app, 4, 3_000);
    let expected = app.get("/status.csv").body;
    for connection in ["close", "keep-alive"] {
        let head = format!("GET /status.csv HTTP/1.0\r\nConnection: {connection}\r\n\r\n");
        let reply = app.raw(head.as_bytes()).unwrap();
        assert_eq!(reply.header("transfer-encoding"), None);
        assert_eq!(reply.header("connection"), None, "it ends with the answer");
        assert!(reply.body == expected, "{connection}");
    }
}

#[test]
fn figures_and_the_past_come_in_pieces_too() {
    let app = TestApp::spawn();
    fill(&app, 4, 2_000);
    let files = in_pieces(&app, "/api/files");
    let rows: Vec<Value> = (0..4)
        .flat_map(|page| {
            let reply = app.get(&format!("/api/files?limit=500&offset={}", 500 * page));
            assert_eq!(reply.header("x-total-count"), Some("2000"));
            reply.json().as_array().unwrap().clone()
        })
        .collect();
    assert_eq!(files, Value::from(rows));
    let server = "s".repeat(250);
    for number in 0..400 {
        app.advance(Duration::from_secs(1));
        let (status, files) =
            if number % 2 == 0 { ("SYNCED", &[][..]) } else { ("OUT_OF_SYNC", &["a", "b\"c"][..]) };
        app.accept(report("past", &server, status, files));
    }
    app.advance(Duration::from_secs(1));
    let turns = in_pieces(&app, "/api/timeline?repo=past");
    assert_eq!(turns.as_array().unwrap().len(), 400);
    for query in ["", "&flat=true"] {
        let page = in_pieces(&app, &format!("/api/history?repo=past&limit=399{query}"));
        let rest = format!("&cursor={}", page["next"].as_str().unwrap());
        let rest = app.get(&format!("/api/history?repo=past{query}{rest}")).json();
        assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next"]), (1, &Value::Null));
        let mut items = page["items"].as_array().unwrap().clone();
        items.push(rest["items"][0].clone());
        let all = in_pieces(&app, &format!("/api/history?repo=past&limit=1000{query}"));
        assert_eq!((&all["items"], &all["next"]), (&Value::from(items), &Value::Null));
    }
}

/// Returns how much memory a process has, in KiB.
fn resident(process: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Sends a request, and reads only the beginning of the answer.
fn ask(server: &Client, target: &str, headers: &str) -> Connection {
    let mut stream = server.connect();
    let head = format!("GET {target} HTTP/1.1\r\nHost: t\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut start = [0; 15];
    stream.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 200 OK");
    stream
}

#[test]
fn clients_that_read_nothing_cost_little_memory() {
    const CLIENTS: usize = 12;
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(&folder.path().join("status.db"), &[""; 0]);
    fill(&server, 30, 9_000);
    let columns = ["repo", "server", "sync_status", "status_code", "drift_count", "file_count"];
    let targets: Vec<String> = (0..CLIENTS)
        .map(|number| {
            let mut order = columns.to_vec();
            order.rotate_left(number % columns.len());
            let path = if number < columns.len() { "csv" } else { "json" };
            format!("/status.{path}?flat=true&fields=files,{}", order.join(","))
        })
        .collect();
    // The rows of twenty entries are 18 MB.
    let before = resident(server.id());
    for coding in ["", "Accept-Encoding: gzip\r\n", "Accept-Encoding: br\r\n"] {
        let clients: Vec<Connection> =
            targets.iter().map(|target| ask(&server, target, coding)).collect();
        let grown = resident(server.id()).saturating_sub(before);
        drop(clients);
        assert!(grown < 48 * 1024, "{coding:?}: {CLIENTS} clients cost {grown} KiB");
    }
}
