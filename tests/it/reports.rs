//! Updates: accepted ones come back exactly, and refused ones change nothing.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{Reply, TestApp, report};

const INVALID_JSON: &str = "Invalid JSON payload";

fn valid() -> Value {
    serde_json::from_str(&report("repo", "server", "SYNCED", &["a.conf"])).unwrap()
}

/// Returns a valid report with one field changed.
fn with(field: &str, value: Value) -> String {
    let mut report = valid();
    report[field] = value;
    report.to_string()
}

/// Returns a valid report with one field given as literal JSON.
fn with_raw(field: &str, literal: &str) -> String {
    with(field, json!("PLACE")).replace("\"PLACE\"", literal)
}

/// An application with an entry that no refused update may change.
struct Guarded {
    app: TestApp,
    before: (String, Option<String>),
}

impl Guarded {
    fn spawn() -> Self {
        let app = TestApp::spawn();
        app.accept(report("repo", "server", "OUT_OF_SYNC", &["sentinel"]));
        let before = Self::look(&app);
        Self { app, before }
    }

    fn look(app: &TestApp) -> (String, Option<String>) {
        let reply = app.get("/status.json");
        (reply.text(), reply.header("etag").map(str::to_owned))
    }

    fn refuses(&self, reply: &Reply, status: u16) -> String {
        let message = reply.error(status);
        assert_eq!(Self::look(&self.app), self.before, "{message}");
        message
    }
}

#[test]
fn a_body_that_is_not_a_json_object_is_refused() {
    let guarded = Guarded::spawn();
    let valid = valid().to_string();
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let bodies: Vec<Vec<u8>> = [
        "",
        " ",
        "null",
        "[]",
        r#"["r","s","SYNCED",0,[],"2026-04-21T10:32:15Z",null,null,null,null]"#,
        "1",
        "\"text\"",
        "{",
        "}",
        "{]",
        "{\"repo\"}",
        "{\"repo\":}",
        "{'repo':1}",
        "{repo:1}",
        "{\"a\":1,}",
        "{\"a\":01}",
        "{\"a\":+1}",
        "{\"a\":.5}",
        "{\"a\":NaN}",
        "{\"a\":tru}",
        "{\"a\":\"\t\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"unended}",
        "{\"a\":\"\\ud800\"}",
        "{\"\\udc00\":1}",
        "{\"a\":[\"\\ud800x\"]}",
        "// comment\n{}",
        "\u{feff}\u{feff}{}",
        "\u{feff}",
        "{}{}",
    ]
    .iter()
    .map(|body| body.as_bytes().to_vec())
    .chain([
        format!("{valid} x").into_bytes(),
        format!("{valid}{valid}").into_bytes(),
        [valid.as_bytes(), b"\0"].concat(),
        [b"\xff\xfe".as_slice(), valid.as_bytes()].concat(),
        valid.replace("server", "\u{1}").into_bytes(),
        valid
            .replacen("a.conf", "?", 1)
            .into_bytes()
            .iter()
            .map(|&b| if b == b'?' { 0xff } else { b })
            .collect(),
        with_raw("more", &nested(128)).into_bytes(),
        with_raw("more", &nested(100_000)).into_bytes(),
        with_raw("repo", "\"\\ud83d\"").into_bytes(),
        with_raw("more", "{\"a\":\"\\udfff\"}").into_bytes(),
    ])
    .collect();
    for body in bodies {
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        assert_eq!(guarded.refuses(&guarded.app.post(&body), 400), INVALID_JSON, "{shown}");
    }
}

#[test]
fn a_known_field_may_occur_once_and_unknown_fields_any_number_of_times() {
    let guarded = Guarded::spawn();
    let valid = valid().to_string();
    for field in
        valid_fields().iter().chain(&["ttl_seconds", "stale_after_seconds", "url", "revision"])
    {
        for name in [(*field).to_owned(), format!("\\u{:04x}{}", field.as_bytes()[0], &field[1..])]
        {
            let twice = valid.replacen('{', &format!("{{\"{name}\":null,\"{field}\":null,"), 1);
            assert_eq!(guarded.refuses(&guarded.app.post(&twice), 400), INVALID_JSON, "{twice}");
        }
    }
    let twice = with_raw("files", r#"[{"name":"a","name":"b"}]"#);
    assert_eq!(guarded.refuses(&guarded.app.post(&twice), 400), INVALID_JSON);
    guarded.app.accept(valid.replacen('{', r#"{"x":1,"x":1e400,"files2":[],"#, 1));
    guarded.app.accept(with_raw("files", r#"[{"name":"a","x":1,"x":2}]"#));
    // The object itself is the first level.
    guarded.app.accept(with_raw("more", &format!("{}{}", "[".repeat(127), "]".repeat(127))));
}

fn valid_fields() -> [&'static str; 6] {
    ["repo", "server", "sync_status", "drift_count", "files", "last_check"]
}

#[test]
fn missing_fields_are_named_in_order_before_any_value_is_checked() {
    let guarded = Guarded::spawn();
    let fields = valid_fields();
    for (place, field) in fields.iter().enumerate() {
        let mut report = valid();
        for later in &fields[place..] {
            report[*later] = Value::Null;
        }
        for earlier in &fields[..place] {
            report[*earlier] = json!({});
        }
        let expected = format!("Missing required field: {field}");
        assert_eq!(guarded.refuses(&guarded.app.post(report.to_string()), 400), expected);
        report.as_object_mut().unwrap().remove(*field);
        assert_eq!(guarded.refuses(&guarded.app.post(report.to_string()), 400), expected);
    }
}

#[test]
fn a_bad_value_is_refused_with_the_name_of_its_field() {
    let guarded = Guarded::spawn();
    let many: Vec<Value> = (0..10_001).map(|number| json!({"name": number.to_string()})).collect();
    let long = |length: usize| json!("ü".repeat(length));
    let mut cases: Vec<(&str, Value)> = vec![
        ("drift_count", json!(2_147_483_648_u64)),
        ("drift_count", json!(-1)),
        ("drift_count", json!("2")),
        ("drift_count", json!(true)),
        ("files", json!("a")),
        ("files", json!({"name": "a"})),
        ("files", json!(["a"])),
        ("files", json!([["a"]])),
        ("files", json!([null])),
        ("files", json!([{}])),
        ("files", json!([{"name": null}])),
        ("files", json!([{"name": 1}])),
        ("files", json!([{"name": ""}])),
        ("files", json!([{"name": "a\nb"}])),
        ("files", json!([{"name": "x".repeat(4097)}])),
        ("files", json!(many)),
        ("last_check", json!("2026-04-21T10:32:15")),
        ("last_check", json!("2026-02-30T10:32:15Z")),
        ("last_check", json!("2026-06-30T23:59:60Z")),
        ("last_check", json!("0000-01-01T00:00:00Z")),
        ("last_check", json!(1_776_767_535)),
        ("stale_after_seconds", json!(315_360_001)),
        ("ttl_seconds", json!(-1)),
        ("ttl_seconds", json!("60")),
        ("ttl_seconds", json!(1.5)),
    ];
    for name in ["repo", "server"] {
        for value in [
            json!(""),
            json!(" a"),
            json!("a\u{a0}"),
            json!("a\u{7}b"),
            json!(1),
            json!([]),
            long(256),
        ] {
            cases.push((name, value));
        }
    }
    for (field, value) in cases {
        let message = guarded.refuses(&guarded.app.post(with(field, value)), 400);
        let is_named = message.starts_with(field) && message.contains(" must be ");
        assert!(is_named, "{field}: {message}");
    }
    for literal in ["2.0", "2e0", "-0", "1e400", "99999999999999999999999"] {
        let message = guarded.refuses(&guarded.app.post(with_raw("drift_count", literal)), 400);
        assert!(message.starts_with("drift_count must be "), "{literal}: {message}");
    }
    for word in [json!("synced"), json!("SYNCED "), json!(1), json!(["SYNCED"])] {
        let message = guarded.refuses(&guarded.app.post(with("sync_status", word)), 400);
        assert_eq!(message, "sync_status must be SYNCED or OUT_OF_SYNC");
    }
}

#[test]
fn an_accepted_update_comes_back_exactly() {
    let app = TestApp::spawn();
    let names = [
        "a:b",
        "b\"c",
        "b\\c",
        "<script>alert(1)</script>",
        "😀",
        "\u{202e}gnp",
        "e\u{301}",
        "é",
        "a,b",
        "*",
        "{a}",
        "a  b",
        "/",
        "%2F",
        "\u{200b}",
        "𝕏",
    ];
    for name in names {
        let mut report = valid();
        report["repo"] = json!(name);
        report["server"] = json!("ü".repeat(255));
        report["drift_count"] = json!(2_147_483_647);
        report["files"] = json!([{"name": name}, {"name": " "}, {"name": name}]);
        report["revision"] = json!(name);
        report["url"] = json!("https://ci.example/run?id=1#é");
        report["last_check"] = json!("2026-04-21T10:32:15.120Z");
        app.accept(report.to_string());
        let rows = app.list("");
        let row = rows.iter().find(|row| row["repo"] == name).unwrap();
        for (field, value) in report.as_object().unwrap() {
            assert_eq!(&row[field], value, "{name}");
        }
    }
    assert_eq!(app.list("").len(), names.len());
    app.accept(with("last_check", json!("2026-04-21T12:32:15+02:00")));
    assert_eq!(app.list("?repo=repo")[0]["last_check"], "2026-04-21T10:32:15Z");
    app.accept(report("a:b", "c", "SYNCED", &[]));
    app.accept(report("a", "b:c", "SYNCED", &[]));
    assert_eq!(app.list("?server=c,b:c").len(), 2, "two entries");
}

#[test]
fn the_type_and_the_coding_of_a_body_are_checked_first() {
    let guarded = Guarded::spawn();
    let send = |headers: &[(&str, &str)], body: &str| {
        guarded.app.send("POST", "/api/status", headers, body.as_bytes())
    };
    for headers in [
        &[][..],
        &[("Content-Type", "text/plain")],
        &[("Content-Type", "application/x-www-form-urlencoded")],
    ] {
        let message = guarded.refuses(&send(headers, "{"), 415);
        assert!(message.contains("'Content-Type: application/json'"), "{message}");
    }
    for coding in ["br", "deflate", "gzip, gzip", "zstd", "x-compress"] {
        let headers = [("Content-Type", "application/json"), ("Content-Encoding", coding)];
        assert!(guarded.refuses(&send(&headers, "{"), 415).starts_with("Content-Encoding"));
    }
    for kind in ["application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.x+json"] {
        let headers = [("Content-Type", kind), ("Content-Encoding", "identity")];
        assert_eq!(send(&headers, &valid().to_string()).status, 200, "{kind}");
    }
}

#[test]
fn a_body_over_the_limit_is_refused_at_once_or_while_it_arrives() {
    let guarded = Guarded::spawn();
    let head = "POST /api/status HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n";
    let unsent = format!("{head}Content-Length: 10737418240\r\n\r\n");
    let reply = guarded.app.raw(unsent.as_bytes()).unwrap();
    assert!(guarded.refuses(&reply, 413).contains("1048576"));
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let endless = format!("{head}Transfer-Encoding: chunked\r\n\r\n{}", chunk.repeat(17));
    guarded.refuses(&guarded.app.raw(endless.as_bytes()).unwrap(), 413);
    let padded = format!("{}{}", " ".repeat(1024 * 1024 - valid().to_string().len()), valid());
    guarded.refuses(&guarded.app.post(format!("{padded} ")), 413);
    guarded.app.accept(padded);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_gzip_body_is_inflated_within_the_limit() {
    let guarded = Guarded::spawn();
    let send = |body: &[u8]| {
        let headers = [("Content-Type", "application/json"), ("Content-Encoding", "gzip")];
        guarded.app.send("POST", "/api/status", &headers, body)
    };
    let valid = valid().to_string();
    let packed = gzip(valid.as_bytes());
    for broken in [
        &packed[..packed.len() - 9],
        valid.as_bytes(),
        b"",
        &[packed.clone(), b"x".repeat(20)].concat(),
    ] {
        assert_eq!(guarded.refuses(&send(broken), 400), INVALID_JSON);
    }
    let bomb = gzip(&vec![b' '; 20 * 1024 * 1024]);
    assert!(bomb.len() < 1024 * 1024);
    guarded.refuses(&send(&bomb), 413);
    assert_eq!(send(&packed).status, 200);
    let (first, second) = valid.split_at(20);
    let members = [gzip(first.as_bytes()), gzip(second.as_bytes())].concat();
    assert_eq!(send(&members).status, 200);
}

#[test]
fn beyond_the_limit_of_entries_only_known_ones_are_updated() {
    let app = TestApp::with(|config| config.max_entries = Some(2));
    app.accept(report("r", "a", "SYNCED", &[]));
    app.accept(report("r", "b", "SYNCED", &[]));
    app.post(report("r", "c", "SYNCED", &[])).error(507);
    app.accept(report("r", "a", "OUT_OF_SYNC", &[]));
    assert_eq!(app.names(""), ["r/a", "r/b"]);
}

#[test]
fn no_mutation_of_a_body_makes_a_server_error_or_an_unanswered_change() {
    let guarded = Guarded::spawn();
    let valid = valid().to_string().into_bytes();
    let mutations = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4);
    let strategy = (mutations, prop::option::of(any::<prop::sample::Index>()));
    let config = ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() };
    let outcome = proptest::test_runner::TestRunner::new(config).run(&strategy, |(bytes, cut)| {
        let mut body = valid.clone();
        for (place, byte) in bytes {
            let place = place.index(body.len());
            body[place] = byte;
        }
        body.truncate(cut.map_or(body.len(), |cut| cut.index(valid.len())));
        let before = guarded.app.get("/status.json").text();
        let reply = guarded.app.post(&body);
        prop_assert!(matches!(reply.status, 200 | 400), "{}", reply.text());
        let is_same = guarded.app.get("/status.json").text() == before;
        prop_assert!(is_same || reply.status == 200);
        Ok(())
    });
    outcome.unwrap();
}
