//! The list as bytes: CSV, flat rows, entity tags, compression.

use std::io::Read;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::Value;

use crate::support::{Reply, TestApp, report, wait_until};

const FLAT: [&str; 15] = [
    "repo",
    "server",
    "sync_status",
    "status_code",
    "drift_count",
    "file_count",
    "files",
    "last_check",
    "updated_at",
    "status_since",
    "stale",
    "expires_at",
    "revision",
    "url",
    "drifted_since",
];

fn keys(row: &Value) -> Vec<&str> {
    row.as_object().unwrap().keys().map(String::as_str).collect()
}

fn unbrotlied(reply: &Reply) -> Vec<u8> {
    assert_eq!(reply.header("content-encoding"), Some("br"));
    let mut plain = Vec::new();
    brotli::Decompressor::new(reply.body.as_slice(), 4096).read_to_end(&mut plain).unwrap();
    plain
}

#[test]
fn flat_rows_have_one_level_and_one_type_a_field() {
    let app = TestApp::spawn();
    app.accept(report("r", "a", "OUT_OF_SYNC", &["b", "a"]));
    app.accept(report("r", "b", "SYNCED", &[]));
    let rows = app.list("?flat=true");
    for row in &rows {
        let mut expected = FLAT;
        expected.sort_unstable();
        assert_eq!(keys(row), expected);
        assert!(
            row.as_object().unwrap().values().all(|value| !value.is_object() && !value.is_array())
        );
        for number in ["status_code", "drift_count", "file_count", "stale"] {
            assert!(row[number].is_u64(), "{number}");
        }
    }
    assert_eq!(rows[0]["files"], "b, a");
    assert_eq!((&rows[0]["status_code"], &rows[1]["status_code"]), (&1.into(), &0.into()));
    let text = app.get("/status.json?flat=true").text();
    let places: Vec<usize> =
        FLAT.iter().map(|key| text.find(&format!("\"{key}\":")).unwrap()).collect();
    assert!(places.is_sorted());
}

#[test]
fn csv_has_a_header_and_rows_that_a_parser_reads_back() {
    let app = TestApp::spawn();
    let empty = app.get("/status.csv");
    assert_eq!(empty.text(), FLAT.join(",") + "\r\n");
    assert_eq!(empty.header("content-type"), Some("text/csv; charset=utf-8"));
    let day = &app.get("/health").json()["timestamp"].as_str().unwrap()[..10].to_owned();
    let name = format!("attachment; filename=\"status-{day}.csv\"");
    assert_eq!(empty.header("content-disposition"), Some(name.as_str()));
    let names = ["a\"b", "a,b", "ü😀", "=1+1", "+1", "-1", "@x", "plain", "'quoted"];
    for name in names {
        app.accept(report(name, "s", "OUT_OF_SYNC", &["=cmd", "x"]));
    }
    let reply = app.get("/status.csv");
    let mut reader = csv::Reader::from_reader(reply.body.as_slice());
    let found: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let mut expected: Vec<String> = names
        .iter()
        .map(|name| {
            if name.starts_with(['=', '+', '-', '@']) {
                format!("'{name}")
            } else {
                (*name).to_owned()
            }
        })
        .collect();
    expected.sort_by_key(|name| name.trim_start_matches('\'').to_owned());
    let mut shown: Vec<String> = found.iter().map(|row| row[0].to_owned()).collect();
    shown.sort_by_key(|name| name.trim_start_matches('\'').to_owned());
    assert_eq!(shown, expected);
    assert!(found.iter().all(|row| &row[6] == "'=cmd, x" && row.len() == FLAT.len()));
    assert_eq!(reply.text().matches("\r\n").count(), names.len() + 1);
}

/// First characters of a cell that a spreadsheet would run as a formula.
const FORMULAS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// Texts with characters that break careless CSV writers, parsers and spreadsheets.
fn awkward() -> impl Strategy<Value = String> {
    let characters = "\"',;|=+-@＝＋－＠ \\\u{2028}\u{feff}\u{202e}#0aü😀";
    let character = prop::sample::select(characters.chars().collect::<Vec<_>>());
    prop::collection::vec(character, 1..8)
        .prop_map(String::from_iter)
        .prop_filter("no white space at either end", |text| text.trim() == text)
}

#[test]
fn every_csv_cell_equals_the_flat_json_and_is_no_formula() {
    let app = TestApp::spawn();
    let files = prop::collection::vec(awkward(), 0..3);
    let strategy = (awkward(), awkward(), files, prop::option::of(awkward()), any::<u8>());
    let config = ProptestConfig { cases: 150, failure_persistence: None, ..Default::default() };
    let outcome = TestRunner::new(config).run(&strategy, |(repo, server, files, revision, n)| {
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let mut body: Value =
            serde_json::from_str(&report(&repo, &server, "SYNCED", &files)).unwrap();
        body["revision"] = revision.into();
        body["url"] = if n % 2 == 0 { format!("https://ci/?a=\",{n}").into() } else { "".into() };
        app.accept(body.to_string());
        let rows = app.list("?flat=true");
        let reply = app.get("/status.csv");
        let mut reader = csv::ReaderBuilder::new().from_reader(reply.body.as_slice());
        prop_assert!(reader.headers().unwrap() == FLAT[..]);
        let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        prop_assert_eq!(records.len(), rows.len());
        for (record, row) in records.iter().zip(&rows) {
            for (cell, field) in record.iter().zip(FLAT) {
                let expected = match &row[field] {
                    Value::Null => String::new(),
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                let is_formula = |text: &str| text.starts_with(FORMULAS);
                prop_assert!(!is_formula(cell), "{field}: {cell:?}");
                let mark = if is_formula(&expected) { "'" } else { "" };
                prop_assert_eq!(cell, format!("{mark}{expected}"), "{}", field);
            }
        }
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn an_unchanged_list_is_not_sent_again() {
    let app = TestApp::spawn();
    app.accept(report("r", "a", "SYNCED", &[]));
    let paths = ["/status.json", "/status.csv", "/status.json?repo=r", "/status.json?flat=true"];
    let mut tags = Vec::new();
    for path in paths {
        for coding in ["identity", "gzip", "br"] {
            let asked = ("Accept-Encoding", coding);
            let reply = app.get_with(path, &[asked]);
            assert_eq!(reply.header("cache-control"), Some("no-cache"));
            assert_eq!(reply.header("vary"), Some("Accept-Encoding"));
            let tag = reply.header("etag").unwrap().to_owned();
            assert!(tag.starts_with('"') && tag.ends_with('"'));
            for known in
                [tag.clone(), "*".to_owned(), format!("\"x\", W/{tag}, \"y\""), format!("W/{tag}")]
            {
                let again = app.get_with(path, &[asked, ("If-None-Match", &known)]);
                assert_eq!((again.status, again.body.len()), (304, 0), "{known}");
                assert_eq!(again.header("etag"), Some(tag.as_str()));
            }
            let other = app.get_with(path, &[asked, ("If-None-Match", "\"x\"")]);
            assert_eq!(other.status, 200);
            tags.push(tag);
        }
    }
    tags.sort_unstable();
    tags.dedup();
    assert_eq!(tags.len(), 12, "other bytes have other tags");
}

#[test]
fn a_tag_stays_while_nothing_changes_and_changes_when_an_entry_turns_stale() {
    let app = TestApp::spawn();
    app.accept(report("r", "a", "SYNCED", &[]));
    let tag = |app: &TestApp| app.get("/status.json").header("etag").unwrap().to_owned();
    let fresh = tag(&app);
    app.advance(Duration::from_mins(30));
    assert_eq!(tag(&app), fresh);
    let app = app.restart_after(Duration::ZERO);
    assert_eq!(tag(&app), fresh, "the tag survives a restart");
    let app = app.restart_with(|config| config.ttl = Some(Duration::from_hours(48)));
    assert_ne!(tag(&app), fresh, "expires_at differs");
    let app = app.restart_with(|config| config.ttl = Some(Duration::from_hours(14 * 24)));
    assert_eq!(tag(&app), fresh);
    app.advance(Duration::from_hours(2));
    wait_until("it is stale", || tag(&app) != fresh);
    let stale = tag(&app);
    app.advance(Duration::from_hours(14 * 24));
    wait_until("it is gone", || tag(&app) != stale);
    let empty = tag(&app);
    assert_ne!(empty, fresh);
}

#[test]
fn the_joined_list_inflates_to_the_plain_one() {
    let app = TestApp::spawn();
    let mut expected = 0;
    for goal in [0, 1, 255, 256, 257, 513, 1100] {
        for number in expected..goal {
            let server = format!("s{:04}", number * 7919 % 10_007);
            app.accept(report("r", &server, "OUT_OF_SYNC", &["a", "b"]));
        }
        expected = goal;
        let plain = app.get("/status.json");
        assert_eq!(plain.header("content-encoding"), None, "never unasked");
        assert_eq!(plain.json().as_array().unwrap().len(), goal);
        let packed = app.get_with("/status.json", &[("Accept-Encoding", "gzip")]);
        assert_eq!(packed.header("content-encoding"), Some("gzip"));
        assert!(packed.inflated() == plain.body, "{goal}");
        let squeezed = app.get_with("/status.json", &[("Accept-Encoding", "br")]);
        assert!(unbrotlied(&squeezed) == plain.body, "{goal}");
    }
    for number in 0..1100 {
        if number % 3 > 0 {
            let query = format!("?repo=r&server=s{:04}", number * 7919 % 10_007);
            assert_eq!(app.send("DELETE", &format!("/api/status{query}"), &[], b"").status, 200);
        }
    }
    let plain = app.get("/status.json");
    assert_eq!(plain.json().as_array().unwrap().len(), 367);
    let packed = app.get_with("/status.json", &[("Accept-Encoding", "gzip")]);
    assert!(packed.inflated() == plain.body);
}

#[test]
fn every_get_path_takes_head_and_compresses_if_asked() {
    let app = TestApp::spawn();
    app.accept(report("r", "a", "SYNCED", &[]));
    let paths = ["/status.json", "/status.csv", "/health", "/livez", "/readyz"];
    let figures = ["/api/summary", "/api/repos", "/api/servers", "/api/files", "/badge.svg"];
    for path in paths.into_iter().chain(figures) {
        let get = app.get(path);
        assert_eq!(get.header("x-content-type-options"), Some("nosniff"));
        let head = app.send("HEAD", path, &[], b"");
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        assert_eq!(head.header("content-length"), get.header("content-length"), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        let packed = app.get_with(path, &[("Accept-Encoding", "gzip")]);
        assert!(packed.inflated() == get.body, "{path}");
        for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "get", "FOO"] {
            let reply = app.send(method, path, &[], b"");
            assert_eq!(reply.header("allow"), Some("GET, HEAD"), "{method} {path}");
            reply.error(405);
        }
    }
    let reply = app.get("/api/status");
    assert_eq!(reply.header("allow"), Some("POST, DELETE"));
    reply.error(405);
    for path in [
        "/index.html",
        "/status",
        "/status.json/",
        "//status.json",
        "/api",
        "/api/status/",
        "/x?limit=x",
    ] {
        app.get(path).error(404);
        app.send("POST", path, &[], b"{").error(404);
    }
}

#[test]
fn options_lists_the_methods_of_a_path() {
    let app = TestApp::spawn();
    for (path, methods) in [
        ("/", "GET, HEAD"),
        ("/status.json?anything", "GET, HEAD"),
        ("/api/events", "GET, HEAD"),
        ("/api/status", "POST, DELETE"),
        ("*", "GET, HEAD, POST, DELETE"),
    ] {
        let reply = app.send("OPTIONS", path, &[("Origin", "http://elsewhere.example")], b"");
        assert_eq!((reply.status, reply.body.len()), (204, 0), "{path}");
        assert_eq!(reply.header("allow"), Some(methods), "{path}");
        let mut names = reply.headers.iter().map(|(name, _)| name);
        assert!(!names.any(|name| name.starts_with("access-control")), "{path}");
    }
    app.send("OPTIONS", "/no/such/path", &[], b"").error(404);
    // HAProxy's default health check.
    assert_eq!(app.raw(b"OPTIONS / HTTP/1.0\r\n\r\n").unwrap().status, 204);
}
