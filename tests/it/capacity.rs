//! The limit `max_stored_bytes`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Client, Process, TestApp, is_on_postgres, report, take_away, wait_until};

const DONE: &str = r#"{"status":"ok","message":"Status updated successfully"}"#;
const WARNING: &str =
    "files: not stored, since max_stored_bytes is reached; the status and the count are";

/// Returns the bytes of all rows, counted from the list.
fn bytes_of_list(client: &Client) -> usize {
    let list = client.get("/status.json").body;
    let commas = client.list("").len().saturating_sub(1);
    list.len() - "[]".len() - commas
}

/// Returns the value of a metric as written.
fn metric(client: &Client, name: &str) -> String {
    let text = client.get("/metrics").text();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("no {name}")).to_owned()
}

/// Asserts that the metric of stored bytes equals those of the list, and returns it.
#[track_caller]
fn stored(client: &Client) -> usize {
    let bytes = bytes_of_list(client);
    assert_eq!(metric(client, "gitops_status_stored_bytes"), bytes.to_string());
    bytes
}

/// Returns a drift of one server with so many files.
fn drift(server: &str, files: usize) -> String {
    let names: Vec<String> = (0..files).map(|number| format!("etc/{number:06}.conf")).collect();
    report("r", server, "OUT_OF_SYNC", &names.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Fills a server to 90 % of its limit, and returns the number of entries.
fn fill(client: &Client, limit: usize) -> usize {
    let mut entries = 0;
    while bytes_of_list(client) * 10 < limit * 9 {
        client.accept(drift(&format!("s{entries}"), 10));
        entries += 1;
    }
    entries
}

fn row(client: &Client, server: &str) -> Value {
    client.list(&format!("?server={server}")).remove(0)
}

#[test]
fn the_stored_bytes_are_those_of_the_list() {
    let app = TestApp::spawn();
    assert_eq!(stored(&app), 0);
    let odd = |server: &str, more: Value| {
        let mut body: Value =
            serde_json::from_str(&report("a\"\\b", server, "SYNCED", &[])).unwrap();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        app.accept(body.to_string());
    };
    odd(
        "ü🦀",
        json!({"drift_count": 2_147_483_647, "last_check": "2026-04-21T12:00:00.123456789+02:00"}),
    );
    odd("never", json!({"ttl_seconds": 0, "files": [{"name": "a\\\"\u{2028}/"}, {"name": " "}]}));
    odd("all", json!({"revision": "\"v1\"", "url": "https://ci/\"x\"", "stale_after_seconds": 60}));
    odd("brief", json!({"ttl_seconds": 90, "stale_after_seconds": 30, "drift_count": 10}));
    stored(&app);
    app.accept(drift("s", 100));
    let with_files = stored(&app);
    app.accept(drift("s", 3));
    assert!(stored(&app) < with_files);
    app.advance(Duration::from_mins(1));
    wait_until("two are stale", || app.list("?stale=true").len() == 2);
    stored(&app);
    app.advance(Duration::from_secs(31));
    wait_until("one has expired", || app.list("").len() == 4);
    wait_until("the entry is removed", || {
        metric(&app, "gitops_status_stored_bytes") == bytes_of_list(&app).to_string()
    });
    assert_eq!(app.send("DELETE", "/api/status?repo=r&server=s", &[], b"").status, 200);
    let before = stored(&app);
    let app = app.restart_after(Duration::from_secs(1));
    assert_eq!(stored(&app), before);
    for number in 0..300 {
        app.accept(drift(&format!("s{number}"), number % 5));
    }
    stored(&app);
    for number in 0..250 {
        let target = format!("/api/status?repo=r&server=s{number}");
        assert_eq!(app.send("DELETE", &target, &[], b"").status, 200);
    }
    let before = stored(&app);
    let app = app.restart_after(Duration::ZERO);
    assert_eq!(stored(&app), before);
}

#[test]
fn a_full_store_takes_no_new_entries_and_hides_no_drift_of_known_ones() {
    const LIMIT: usize = 40_000;
    let app = TestApp::with(|config| config.max_stored_bytes = Some(LIMIT));
    let entries = fill(&app, LIMIT);
    let refused = app.post(drift("new", 0)).error(507);
    assert!(refused.contains("max_stored_bytes") && refused.contains("90 %"), "{refused}");
    let used = metric(&app, "gitops_status_limit_used_ratio{limit=\"max_stored_bytes\"}");
    assert!(used.parse::<f64>().unwrap() >= 0.9, "{used}");

    // Known entries may grow up to the limit.
    let mut grown = 0;
    let warned = loop {
        let reply = app.post(drift(&format!("s{grown}"), 60));
        assert_eq!(reply.status, 200, "{}", reply.text());
        if reply.text() != DONE {
            break reply;
        }
        grown += 1;
    };
    assert!(grown > 0 && stored(&app) <= LIMIT);
    let expected = format!("{},\"warnings\":[\"{WARNING}\"]}}", DONE.trim_end_matches('}'));
    assert_eq!(warned.text(), expected);
    let cut = row(&app, &format!("s{grown}"));
    assert_eq!((&cut["sync_status"], &cut["drift_count"]), (&json!("OUT_OF_SYNC"), &json!(60)));
    assert_eq!(cut["files"], json!([]));
    assert_eq!(metric(&app, "gitops_status_update_warnings_total{field=\"files\"}"), "1");

    // An update that does not grow is stored in full, even in a full store.
    let last = format!("s{}", entries - 1);
    let app = app.restart_with(|config| config.max_stored_bytes = Some(LIMIT / 2));
    assert!(stored(&app) > LIMIT / 2, "a store above its limit starts");
    for files in [10, 9, 0] {
        assert_eq!(app.post(drift(&last, files)).text(), DONE);
        assert_eq!(row(&app, &last)["files"].as_array().unwrap().len(), files);
    }
    assert_eq!(app.post(report("r", &last, "SYNCED", &[])).text(), DONE);
    assert_eq!(app.post(drift(&last, 1)).text(), expected, "an update that grows is cut");
    assert_eq!(row(&app, &last)["sync_status"], "OUT_OF_SYNC");
    app.post(drift("new", 0)).error(507);

    // Freed room can be used at once.
    for number in 0..entries {
        let target = format!("/api/status?repo=r&server=s{number}");
        assert_eq!(app.send("DELETE", &target, &[], b"").status, 200);
    }
    assert_eq!(app.post(drift("new", 10)).text(), DONE);
}

#[test]
fn the_history_does_not_call_files_removed_whose_names_had_no_room() {
    let app = TestApp::spawn();
    app.accept(drift("s", 2));
    let app = app.restart_with(|config| config.max_stored_bytes = Some(1));
    assert!(app.post(drift("s", 3)).text().contains("warnings"));
    app.advance(Duration::from_mins(1));
    assert!(app.post(drift("s", 3)).text().contains("warnings"), "each time");
    let history = app.get("/api/history?flat=true").json();
    let events: Vec<_> = history["items"].as_array().unwrap().iter().collect();
    assert_eq!(events.len(), 2, "the same report again is no change: {history}");
    assert_eq!((&events[0]["event"], &events[0]["drift_count"]), (&json!("changed"), &json!(3)));
    assert_eq!(events[0]["files_removed_count"], 0);
    let app = app.restart_with(|config| config.max_stored_bytes = None);
    assert_eq!(app.post(drift("s", 3)).text(), DONE);
    assert_eq!(
        row(&app, "s")["files"].as_array().unwrap().len(),
        3,
        "they come back by themselves"
    );
}

#[test]
fn a_long_url_is_limited_as_file_names_are() {
    let app = TestApp::spawn();
    let with = |revision: &str, length: usize| {
        let mut body: Value = serde_json::from_str(&report("r", "s", "SYNCED", &[])).unwrap();
        body["revision"] = revision.into();
        body["url"] = format!("https://ci/{}", "x".repeat(length)).into();
        body.to_string()
    };
    app.accept(with("v1", 10));
    let app = app.restart_with(|config| config.max_stored_bytes = Some(1));
    assert_eq!(app.post(with("v2", 10)).text(), DONE);
    let reply = app.post(with("v3", 1000)).json();
    assert_eq!(reply["warnings"].as_array().unwrap().len(), 1);
    assert!(reply["warnings"][0].as_str().unwrap().starts_with("url: "));
    let row = row(&app, "s");
    assert_eq!((&row["revision"], &row["url"]), (&json!("v3"), &Value::Null));
}

#[test]
fn a_full_store_answers_507_even_while_nothing_can_be_stored() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("status.db");
    let arguments = ["--max-stored-bytes", "1000"];
    let server = Process::start(&database, &arguments);
    fill(&server, 1000);
    let _away = take_away(&database);
    server.post(drift("s0", 0)).error(503);
    // Where others write too, only the database knows whether they have made room.
    server.post(drift("new", 0)).error(if is_on_postgres() { 503 } else { 507 });
    let line = "r:s1 -> OUT_OF_SYNC (drift_count: 10), without files: max_stored_bytes is reached";
    wait_until("the log says that files were left out", || server.log().contains(line));
}
