//! `GET /api/timeline`.

use std::time::Duration;

use gitops_status_server::clock::Clock;
use gitops_status_server::domain::Timestamp;
use serde_json::Value;

use crate::support::{TestApp, report, wait_until};

const HOUR: Duration = Duration::from_hours(1);
const MINUTE: Duration = Duration::from_mins(1);

/// Returns `minutes server code` of every row (`minutes repo code` if it has no server), the minutes
/// counted from a moment.
fn rows(app: &TestApp, since: Timestamp, query: &str) -> Vec<String> {
    let reply = app.get(&format!("/api/timeline{query}"));
    assert_eq!(reply.status, 200, "{query}: {}", reply.text());
    let line = |row: &Value| {
        let minutes = (0..100_000).find(|minutes| {
            row["time"].as_str() == Some(&since.plus(MINUTE * *minutes).to_string())
        });
        let minutes = minutes.map_or_else(|| row["time"].to_string(), |m| m.to_string());
        let name = row["server"].as_str().or(row["repo"].as_str()).unwrap();
        format!("{minutes} {name} {}", row["status_code"])
    };
    reply.json().as_array().unwrap().iter().map(line).collect()
}

fn post(app: &TestApp, server: &str, status: &str) {
    app.accept(report("r", server, status, &[]));
}

fn remove(app: &TestApp, repo: &str, server: &str) {
    let target = format!("/api/status?repo={repo}&server={server}");
    assert_eq!(app.send("DELETE", &target, &[], b"").status, 200);
}

#[test]
fn a_timeline_carries_forward_and_merges_and_ends_with_null() {
    let app = TestApp::spawn();
    let start = app.clock.read().wall;
    post(&app, "a", "OUT_OF_SYNC");
    post(&app, "b", "SYNCED");
    post(&app, "gone", "SYNCED");
    app.advance(MINUTE);
    assert_eq!(app.send("DELETE", "/api/status?repo=r&server=gone", &[], b"").status, 200);
    app.advance(9 * MINUTE);
    app.accept(report("r", "a", "OUT_OF_SYNC", &["changed"]));
    post(&app, "b", "OUT_OF_SYNC");
    post(&app, "b", "SYNCED");
    post(&app, "new", "SYNCED");
    app.advance(10 * MINUTE);
    post(&app, "a", "SYNCED");
    app.advance(MINUTE);
    assert_eq!(app.send("DELETE", "/api/status?repo=r&server=new", &[], b"").status, 200);
    app.advance(MINUTE);
    let from = start.plus(5 * MINUTE).millis();
    let expected = ["5 a 1", "5 b 0", "10 new 0", "20 a 0", "21 new null"];
    assert_eq!(rows(&app, start, &format!("?from={from}")), expected);
    let until = format!("?from={from}&to={}", start.plus(20 * MINUTE).millis());
    assert_eq!(rows(&app, start, &until), expected[..3], "to is the first moment after it");
    assert_eq!(rows(&app, start, "?from=now-17m&to=now-2m"), expected[..3]);
    let whole = ["0 a 1", "0 b 0", "0 gone 0", "1 gone null", "10 new 0", "20 a 0", "21 new null"];
    assert_eq!(rows(&app, start, ""), whole, "of the last day");
}

#[test]
fn the_fields_are_in_the_documented_order() {
    let app = TestApp::spawn();
    assert_eq!(app.get("/api/timeline").text(), "[]");
    post(&app, "a", "SYNCED");
    let time = app.clock.read().wall;
    app.advance(MINUTE);
    let reply = app.get("/api/timeline");
    assert_eq!(
        reply.text(),
        format!("[{{\"time\":\"{time}\",\"repo\":\"r\",\"server\":\"a\",\"status_code\":0}}]")
    );
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("x-step"), None);
}

#[test]
fn a_silence_is_shown_from_its_true_time_and_its_end_is_null() {
    let app = TestApp::with(|config| config.ttl = Some(4 * HOUR));
    let start = app.clock.read().wall;
    post(&app, "a", "SYNCED");
    // An outage puts the silence off, but not beyond the middle of the time until it expires.
    let app = app.restart_after(3 * HOUR);
    app.advance(2 * HOUR);
    wait_until("its end is recorded", || rows(&app, start, "").len() == 3);
    assert_eq!(rows(&app, start, ""), ["0 a 0", "180 a 2", "240 a null"]);
    let later = start.plus(270 * MINUTE).millis();
    assert_eq!(rows(&app, start, &format!("?from={later}")), [""; 0], "it had ended before");
}

#[test]
fn a_filter_selects_entries_by_their_present_values() {
    let app = TestApp::spawn();
    let start = app.clock.read().wall;
    post(&app, "a", "SYNCED");
    post(&app, "b", "SYNCED");
    post(&app, "gone", "OUT_OF_SYNC");
    app.advance(MINUTE);
    app.accept(report("r", "b", "OUT_OF_SYNC", &["x.conf"]));
    assert_eq!(app.send("DELETE", "/api/status?repo=r&server=gone", &[], b"").status, 200);
    app.advance(MINUTE);
    let b = ["0 b 0", "1 b 1"];
    for (query, expected) in [
        ("?server=b", &b[..]),
        ("?drifted=true", &b),
        ("?file=*.conf&repo=r", &b),
        ("?q=X.C", &b),
        ("?server=g*", &["0 gone 1", "1 gone null"]),
        ("?server=gone&drifted=true", &[]),
        ("?repo=other", &[]),
        ("?sync_status=SYNCED&var-repo=r", &["0 a 0"]),
    ] {
        assert_eq!(rows(&app, start, query), expected, "{query}");
    }
}

#[test]
fn entries_that_were_long_gone_do_not_count_against_the_limit() {
    let app = TestApp::spawn();
    for server in ["a", "b", "c"] {
        post(&app, server, "SYNCED");
        app.send("DELETE", &format!("/api/status?repo=r&server={server}"), &[], b"");
    }
    app.advance(10 * MINUTE);
    let from = app.clock.read().wall;
    post(&app, "d", "OUT_OF_SYNC");
    app.advance(MINUTE);
    assert_eq!(rows(&app, from, &format!("?limit=1&from={from}")), ["0 d 1"]);
}

#[test]
fn above_the_limit_time_is_divided_into_steps_that_keep_the_worst_state() {
    let app = TestApp::spawn();
    let start = app.clock.read().wall;
    for round in 0..40 {
        post(&app, "a", if round % 8 == 0 { "OUT_OF_SYNC" } else { "SYNCED" });
        post(&app, "calm", "SYNCED");
        app.advance(10 * MINUTE);
    }
    let all = app.get("/api/timeline");
    assert_eq!((all.header("x-step"), all.json().as_array().unwrap().len()), (None, 11));
    let few = app.get("/api/timeline?limit=6");
    assert_eq!(few.header("x-step"), Some("1h"));
    let few = rows(&app, start, "?limit=6");
    assert!(few.len() <= 6, "{few:?}");
    assert_eq!(few[..2], ["0 a 1", "0 calm 0"]);
    let message = app.get("/api/timeline?limit=1").error(400);
    let advice = "raise it, to at most 100000, or ask for fewer entries by repo or server";
    assert_eq!(message, format!("limit must be at least the number of entries: {advice}"));
    assert_eq!(rows(&app, start, "?limit=1&server=calm"), ["0 calm 0"]);
}

#[test]
fn a_name_is_in_the_worst_state_of_its_entries_and_ends_with_null_when_all_are_gone() {
    let app = TestApp::spawn();
    let start = app.clock.read().wall;
    app.accept(report("r", "a", "SYNCED", &[]));
    app.accept(report("r", "b", "OUT_OF_SYNC", &[]));
    app.accept(report("q", "a", "SYNCED", &[]));
    app.advance(MINUTE);
    app.accept(report("r", "a", "OUT_OF_SYNC", &[]));
    app.accept(report("r", "b", "SYNCED", &[]));
    app.advance(MINUTE);
    remove(&app, "r", "a");
    app.advance(MINUTE);
    remove(&app, "r", "b");
    app.advance(MINUTE);
    let by_repo = ["0 q 0", "0 r 1", "2 r 0", "3 r null"];
    assert_eq!(rows(&app, start, "?by=repo"), by_repo);
    let by_server = ["0 a 0", "0 b 1", "1 a 1", "1 b 0", "2 a 0", "3 b null"];
    assert_eq!(rows(&app, start, "?by=server"), by_server);
    assert_eq!(
        rows(&app, start, "?by=server&repo=r"),
        ["0 a 0", "0 b 1", "1 a 1", "1 b 0", "2 a null", "3 b null"]
    );
    let from = start.plus(MINUTE + MINUTE / 2);
    let cut = app.get(&format!("/api/timeline?by=repo&from={from}&repo=r&limit=3")).text();
    let row = |time: Timestamp, code: &str| {
        format!("{{\"time\":\"{time}\",\"repo\":\"r\",\"status_code\":{code}}}")
    };
    let (second, third) = (start.plus(2 * MINUTE), start.plus(3 * MINUTE));
    let expected = [row(from, "1"), row(second, "0"), row(third, "null")];
    assert_eq!(cut, format!("[{}]", expected.join(",")), "the documented fields, in their order");
}

/// A drift on one server is to be seen although the reporter of another is silent.
#[test]
fn of_a_name_a_drift_is_worse_than_a_silence_and_that_is_worse_than_being_in_sync() {
    let app = TestApp::spawn();
    let start = app.clock.read().wall;
    app.accept(report("r", "silent", "SYNCED", &[]));
    for hour in 1..=4 {
        app.advance(HOUR);
        let status = if hour == 3 { "OUT_OF_SYNC" } else { "SYNCED" };
        app.accept(report("r", "talks", status, &[]));
    }
    app.advance(MINUTE);
    wait_until("the silence is recorded", || rows(&app, start, "?by=repo").len() == 4);
    let expected = ["0 r 0", "120 r 2", "180 r 1", "240 r 2"];
    assert_eq!(rows(&app, start, "?by=repo"), expected);
    let expected = ["0 silent 0", "60 talks 0", "120 silent 2", "180 talks 1", "240 talks 0"];
    assert_eq!(rows(&app, start, "?by=server"), expected);
}

/// The band of a repository went from red to grey, while the counts still said that it was drifted.
#[test]
fn the_drift_of_a_name_does_not_end_because_its_reporter_falls_silent() {
    let app = TestApp::spawn();
    let start = app.clock.read().wall;
    post(&app, "a", "OUT_OF_SYNC");
    app.advance(3 * HOUR);
    wait_until("the silence is recorded", || rows(&app, start, "").len() == 2);
    assert_eq!(rows(&app, start, ""), ["0 a 1", "120 a 2"], "of an entry");
    let later = format!("&from={}", start.plus(150 * MINUTE).millis());
    for by in ["repo", "server"] {
        let rows = |query: &str| rows(&app, start, &format!("?by={by}{query}"));
        let name = if by == "repo" { "r" } else { "a" };
        assert_eq!(rows(""), [format!("0 {name} 1")]);
        assert_eq!(rows(&later), [format!("150 {name} 1")], "it began before");
        assert_eq!(app.get(&format!("/api/{by}s")).json()[0]["drifted"], 1);
    }
    app.advance(MINUTE);
    remove(&app, "r", "a");
    app.advance(MINUTE);
    assert_eq!(rows(&app, start, "?by=repo"), ["0 r 1", "181 r null"]);
}

#[test]
fn a_name_is_out_of_sync_while_the_counts_say_that_it_is_drifted() {
    let app = TestApp::spawn();
    let start = app.clock.read().wall;
    let mut expected = Vec::new();
    for (minute, files) in [(0, &[][..]), (1, &["x.conf"]), (2, &[])] {
        app.accept(report("r", "a", "SYNCED", files));
        let drifted = &app.get("/api/repos").json()[0]["drifted"];
        expected.push(format!("{minute} r {drifted}"));
        app.advance(MINUTE);
    }
    assert_eq!(expected[1], "1 r 1");
    assert_eq!(rows(&app, start, "?by=repo"), expected);
    assert_eq!(rows(&app, start, ""), ["0 a 0"], "an entry shows its status");
}

#[test]
fn the_limit_of_a_timeline_by_name_counts_names_and_rows_not_entries() {
    let app = TestApp::spawn();
    let start = app.clock.read().wall;
    for round in 0..40 {
        for server in ["a", "b", "c"] {
            post(&app, server, if round % 8 == 0 { "OUT_OF_SYNC" } else { "SYNCED" });
        }
        app.advance(10 * MINUTE);
    }
    assert_eq!(app.get("/api/timeline?by=repo").json().as_array().unwrap().len(), 10);
    let steps = app.get("/api/timeline?by=repo&limit=2");
    assert!(steps.header("x-step").is_some(), "time is divided");
    let steps = rows(&app, start, "?by=repo&limit=2");
    assert!(steps.len() <= 2 && steps[0] == "0 r 1", "of three entries: {steps:?}");
    app.get("/api/timeline?by=server&limit=2").error(400);
}

#[test]
fn a_wrong_parameter_is_refused_with_what_is_accepted() {
    let app = TestApp::spawn();
    for (query, expected) in [
        ("?limit=100001", "limit must be a whole number from 1 to 100000"),
        ("?from=2026-4-21", "from must be a time such as"),
        ("?from=now&to=now-1s", "from must be no later than to"),
        ("?from=2026-04-21T10:32:15Z&to=5", "from must be no later than to"),
        ("?event=first", "q, literal, by, from, to and limit"),
        ("?by=entry", "by must be repo or server"),
        ("?by=", "by must be repo or server"),
        ("?by=repo&by=server", "by must be given only once"),
    ] {
        let message = app.get(&format!("/api/timeline{query}")).error(400);
        assert!(message.contains(expected), "{query}: {message}");
    }
}
