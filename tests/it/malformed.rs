//! What is said beside `Invalid JSON payload`, which elements of `files` are wrong and why, and bodies
//! that only look wrong.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::support::{Process, Reply, TestApp, report, update_request, wait_until};

const JSON: (&str, &str) = ("Content-Type", "application/json");

fn valid() -> String {
    report("repo", "server", "SYNCED", &["a.conf"])
}

/// Returns the detail of a refusal whose message has to be the promised one.
fn detail(reply: &Reply) -> String {
    assert_eq!(reply.error(400), "Invalid JSON payload");
    assert!(reply.text().starts_with(r#"{"status":"error","message":"Invalid JSON payload","d"#));
    reply.detail()
}

#[test]
fn a_body_that_is_not_one_object_is_refused_with_the_place_and_the_reason() {
    let app = TestApp::spawn();
    let nested = format!("{{\"a\":{}", "[".repeat(128));
    for (body, expected) in [
        ("", "the body is empty"),
        (" \n", "the body contains only white space"),
        (r#"[{"repo":"r"}]"#, "the body is an array; this path takes one object, without [ ]"),
        (r#""{\"repo\":1}""#, "the body is a string; this path takes an object, encoded as JSON"),
        ("null", "the body is no JSON object, which begins with {"),
        ("repo=r&server=s", "the body is no JSON object, which begins with {"),
        ("'{\"repo\":\"r\"}'", "the body begins with a single quote; it has to begin with {"),
        ("{", "the body ended inside an object"),
        (r#"{"repo":"rsys"#, "the body ended inside a string, which began at 8"),
        (r#"{"repo":"a\"#, "the body ended inside a string, which began at 8"),
        (r#"{"repo":"#, "the body ended inside an object"),
        (r#"{"repo""#, "the body ended inside an object"),
        (r#"{"files":[{"name":"a"}"#, "the body ended inside an array"),
        (r#"{"repo":"r","#, "the body ended inside an object"),
        ("{\"repo\":\"r\"} x", "there is more after the object at 13"),
        ("{}\n{}", "there is more after the object at 3"),
        (r#"{"drift_count":,"a":1}"#, "\"drift_count\" has no value at 15"),
        (r#"{"drift_count":}"#, "\"drift_count\" has no value at 15"),
        (r#"{"a":1,}"#, "there is a comma too many before the } at 7"),
        (r#"{"files":[1, ]}"#, "there is a comma too many before the ] at 13"),
        (r#"{"a":1,,"b":2}"#, "there is a comma too many at 7"),
        (r#"{"a":[,1]}"#, "there is no value before the comma at 6"),
        (r#"{"a":1 "b":2}"#, "a comma or } is missing at 7; inside a string, \" is written \\\""),
        (r#"{"a":"x "b" y"}"#, "a comma or } is missing at 9; inside a string, \" is written \\\""),
        (r#"{"a" 1}"#, "a colon is missing at 5"),
        ("{repo:1}", "the name of a field at 1 has to be in double quotes"),
        ("{'repo':1}", "the name of a field at 1 has to be in double quotes"),
        ("{\"repo\":'r'}", "the quote at 8 has to be a double quote"),
        (r#"{"drift_count":01}"#, "the number at 15 is no JSON"),
        (
            r#"{"last_check":2026-04-21T10:32:15Z}"#,
            "the number at 14 is no JSON: text needs double",
        ),
        (
            r#"{"a":True}"#,
            "the word at 5 is no JSON: text needs double quotes, and true, false and",
        ),
        (r#"{"drift_count":$COUNT}"#, "the $ at 15 begins no value; inside single quotes a shell"),
        ("{\"a\":1 // one\n}", "a comma or } is missing at 7"),
        ("{\"a\":// one\n1}", "there is a comment at 5; JSON has none"),
        (r#"{"a":*}"#, "there is no JSON value at 5"),
        ("{\"a\":\"b\nc\"}", "the string at 5 has a control character at 7; write it as \\u000a"),
        (
            r#"{"a":"C:\Windows"}"#,
            "the backslash at 8 begins no escape; write \\\\ for a backslash",
        ),
        (r#"{"a":"\u12"}"#, "the escape at 6 needs four hexadecimal digits"),
        (r#"{"a":"x\ud83d"}"#, "the escape at 7 is half of a surrogate pair"),
        (&nested, "what begins at 132 is nested deeper than 128"),
    ] {
        let detail = detail(&app.post(body));
        assert!(detail.starts_with(expected), "{body}: {detail}");
    }
    assert_eq!(app.get("/status.json").text(), "[]");
}

#[test]
fn a_field_that_is_there_twice_is_named() {
    let app = TestApp::spawn();
    let twice = valid().replacen('{', r#"{"\u0072epo":"x","#, 1);
    assert_eq!(detail(&app.post(twice)), "the field \"repo\" appears twice");
    let twice = valid().replace(r#"{"name":"a.conf"}"#, r#"{"name":"a"},{"name":"b","name":"c"}"#);
    assert_eq!(detail(&app.post(twice)), "the field \"name\" is in files[1] twice");
}

#[test]
fn bytes_in_another_coding_are_named() {
    let app = TestApp::spawn();
    let latin = valid().replace("a.conf", "caf~").into_bytes();
    let place = latin.iter().position(|byte| *byte == b'~').unwrap();
    let with = |bytes: &[u8]| [&latin[..place], bytes, &latin[place + 1..]].concat();
    let not_utf8 = format!("the bytes at {place} are not UTF-8");
    assert_eq!(detail(&app.post(with(b"\xe9"))), not_utf8);
    assert_eq!(detail(&app.post(with(b"\xed\xa0\x80"))), not_utf8, "half of a surrogate pair");
    let cut = [&latin[..place], b"\xc3"].concat();
    let expected = format!("the body ended inside a character, which began at {place}");
    assert_eq!(detail(&app.post(cut)), expected);
    let wide = |order: fn(u16) -> [u8; 2]| valid().encode_utf16().flat_map(order).collect();
    let (little, big): (Vec<u8>, Vec<u8>) = (wide(u16::to_le_bytes), wide(u16::to_be_bytes));
    let utf16 = "the body is UTF-16 or UTF-32; send UTF-8";
    for body in [[b"\xff\xfe", &little[..]].concat(), little, [b"\xfe\xff", &big[..]].concat(), big]
    {
        assert_eq!(detail(&app.post(body)), utf16);
    }
}

#[test]
fn one_byte_order_mark_is_skipped_and_counts_in_offsets() {
    let app = TestApp::spawn();
    app.accept(format!("\u{feff}{}", valid()));
    assert_eq!(app.names(""), ["repo/server"]);
    assert_eq!(detail(&app.post("\u{feff}{}x")), "there is more after the object at 5");
    let reason = detail(&app.post("\u{feff}\u{feff}{}"));
    assert_eq!(reason, "the body is no JSON object, which begins with {");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn gzip_by_both_names_is_inflated_and_broken_gzip_is_called_so() {
    let app = TestApp::spawn();
    let send = |coding: &str, body: &[u8]| {
        app.send("POST", "/api/status", &[JSON, ("Content-Encoding", coding)], body)
    };
    let packed = gzip(valid().as_bytes());
    for coding in ["gzip", "x-gzip", "X-GZIP"] {
        assert_eq!(send(coding, &packed).status, 200, "{coding}");
        for broken in
            [&packed[..packed.len() - 9], valid().as_bytes(), &[&packed[..], b"x"].concat()]
        {
            let reason = detail(&send(coding, broken));
            assert!(reason.starts_with("the body is not whole gzip"), "{reason}");
        }
        assert_eq!(detail(&send(coding, &gzip(b"{"))), "the body ended inside an object");
    }
    let forgotten = detail(&app.post(&packed));
    assert_eq!(forgotten, "the body is gzip; send the header 'Content-Encoding: gzip'");
}

#[test]
fn a_body_that_breaks_off_is_called_so() {
    let app = TestApp::spawn();
    let request = update_request(&valid()).replace("Content-Length: 1", "Content-Length: 2");
    let mut stream = app.client.connect();
    stream.write_all(request.as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let reply = Reply::read(&mut stream).unwrap();
    assert_eq!(detail(&reply), "the body broke off, or its chunks are wrong");
}

#[test]
fn a_wrong_element_of_files_is_named_with_its_reason() {
    let app = TestApp::spawn();
    let name =
        "files[42].name must be a string of 1 to 4096 characters without control characters: ";
    let right = r#"files[42] must be an object, such as {"name":"rsyslog.conf"}: "#;
    for (element, start, reason) in [
        (json!({}), name, "it is missing"),
        (json!({"name": null}), name, "it is missing"),
        (json!({"Name": "a"}), name, "it is missing"),
        (json!({"name": 7}), name, "it is a number"),
        (json!({"name": ["a"]}), name, "it is an array"),
        (json!({"name": true}), name, "it is a boolean"),
        (json!({"name": ""}), name, "it is empty"),
        (json!({"name": "ü".repeat(4097)}), name, "it has 4097 characters"),
        (json!({"name": "süß\n"}), name, "its character 4 is U+000A"),
        (json!("a.conf"), right, "it is a string"),
        (json!(null), right, "it is null"),
        (json!([]), right, "it is an array"),
    ] {
        let mut files = vec![json!({"name": "right"}); 42];
        files.extend([element, json!("wrong too")]);
        let mut body: Value = serde_json::from_str(&valid()).unwrap();
        body["files"] = files.into();
        assert_eq!(app.post(body.to_string()).error(400), format!("{start}{reason}"));
    }
    let mut body: Value = serde_json::from_str(&valid()).unwrap();
    body["files"] = json!({"name": "a"});
    let message = app.post(body.to_string()).error(400);
    let expected =
        r#"files must be an array of objects, such as [{"name":"rsyslog.conf"}]: it is "#;
    assert_eq!(message, format!("{expected}an object"));
}

#[test]
fn the_error_for_too_many_files_says_how_to_report_them() {
    let app = TestApp::spawn();
    let mut body: Value = serde_json::from_str(&valid()).unwrap();
    let names =
        |count: usize| -> Value { (0..count).map(|n| json!({"name": n.to_string()})).collect() };
    body["files"] = names(10_007);
    let message = app.post(body.to_string()).error(400);
    let way_out = "send the first 10000, and the true number as drift_count";
    let expected = "files must be an array of at most 10000 objects: there are 10007; ";
    assert_eq!(message, format!("{expected}{way_out}"));
    (body["files"], body["drift_count"]) = (names(10_000), json!(10_007));
    app.accept(body.to_string());
    let row = &app.list("?flat=true")[0];
    assert_eq!((&row["drift_count"], &row["file_count"]), (&json!(10_007), &json!(10_000)));
}

#[test]
fn the_errors_for_common_mistakes_show_a_right_example() {
    let app = TestApp::spawn();
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let message = app.send("POST", "/api/status", &form, valid().as_bytes()).error(415);
    assert!(message.contains("curl by -H 'Content-Type: application/json'"), "{message}");
    for (field, value, example) in [
        ("last_check", json!("2026-04-21T10:32:15"), "such as 2026-04-21T10:32:15Z"),
        ("last_check", json!("2026-04-21 10:32:15+00:00"), "such as 2026-04-21T10:32:15Z"),
        ("drift_count", json!("2"), "without quotes, such as 2"),
    ] {
        let mut body: Value = serde_json::from_str(&valid()).unwrap();
        body[field] = value;
        let message = app.post(body.to_string()).error(400);
        assert!(message.starts_with(field) && message.ends_with(example), "{message}");
    }
}

#[test]
fn a_path_that_is_nearly_right_gets_the_right_one_in_the_error() {
    let app = TestApp::spawn();
    for path in ["/api/status/", "//api/status", "/api/./status"] {
        let message = app.send("POST", path, &[JSON], valid().as_bytes()).error(404);
        assert_eq!(message, "There is nothing at this path; did you mean /api/status?", "{path}");
    }
    let message = app.get("/status.json/?repo=a").error(404);
    assert_eq!(message, "There is nothing at this path; did you mean /status.json?");
    assert_eq!(app.get("/api").error(404), "There is nothing at this path");
    assert_eq!(app.get("/status.json").text(), "[]");
}

#[test]
fn each_refused_reporter_is_logged_with_its_names_and_reason_once_a_minute() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(&folder.path().join("status.db"), &[""; 0]);
    for _ in 0..50 {
        server.post("{\"\u{202e}\n").error(400);
        server.post("{\"repo\":\"r\",\"server\":\"\u{202e}\",\"drift_count\":,}").error(400);
    }
    server.post(r#"{"repo":"quiet","server":"web-1","drift_count":,}"#).error(400);
    server.send("POST", "/api/status", &[("Content-Type", "text/plain")], b"{}").error(415);
    server.accept(valid());
    let line = "INFO ] POST /api/status from 127.0.0.1 was refused: Invalid JSON payload: \
                the string at 1 has a control character at 5; write it as \\u000a\n";
    wait_until("the update is logged", || server.log().contains("Status update: repo:server"));
    let from = "INFO ] POST /api/status from 127.0.0.1";
    let reason = "was refused: Invalid JSON payload: \"drift_count\" has no value at";
    for line in [
        line,
        &format!("{from} for r:\\u{{202e}} {reason} "),
        &format!("{from} for quiet:web-1 {reason} 47\n"),
        &format!("{from} was refused: Content-Type must be application/json"),
    ] {
        assert_eq!(server.log().matches(line).count(), 1, "{line}: {}", server.log());
    }
    assert_eq!(server.log().matches("was refused").count(), 4, "{}", server.log());

    let mut command = Process::command(&folder.path().join("other.db"));
    let server = Process::run(command.env("RUST_LOG", "requests=debug"));
    for _ in 0..3 {
        server.post("{").error(400);
    }
    server.get("/status.json?secret=secret").error(400);
    let line = " ms: Invalid JSON payload: the body ended inside an object\n";
    wait_until("each is logged", || server.log().matches(line).count() == 3);
    wait_until("the last one is logged", || server.log().contains("GET /status.json"));
    assert!(!server.log().contains("secret"), "{}", server.log());
}
