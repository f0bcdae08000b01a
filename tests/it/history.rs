//! `GET /api/history`.

use std::time::Duration;

use gitops_status_server::clock::Clock;
use serde_json::{Value, json};

use crate::support::{TestApp, report, wait_until};

const HOUR: Duration = Duration::from_hours(1);
const SECOND: Duration = Duration::from_secs(1);

fn history(app: &TestApp, query: &str) -> Value {
    let reply = app.get(&format!("/api/history{query}"));
    assert_eq!(reply.status, 200, "{query}: {}", reply.text());
    assert_eq!(reply.header("content-type"), Some("application/json"));
    reply.json()
}

/// Returns `event repo/server` of every transition.
fn events(app: &TestApp, query: &str) -> Vec<String> {
    let items = history(app, query)["items"].as_array().unwrap().clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let line = |item: &Value| {
        text(&item["event"]) + " " + &text(&item["repo"]) + "/" + &text(&item["server"])
    };
    items.iter().map(line).collect()
}

fn delete(app: &TestApp, repo: &str, server: &str) {
    let target = format!("/api/status?repo={repo}&server={server}");
    assert_eq!(app.send("DELETE", &target, &[], b"").status, 200);
}

#[test]
fn every_change_is_listed_with_its_fields_newest_first() {
    let app = TestApp::spawn();
    assert_eq!(history(&app, ""), json!({"items": [], "next": null}));
    let start = app.clock.read().wall;
    app.accept(report("r", "s", "SYNCED", &[]));
    app.accept(report("r", "s", "SYNCED", &[]));
    app.advance(SECOND);
    let mut drifted: Value =
        serde_json::from_str(&report("r", "s", "OUT_OF_SYNC", &["b", "a"])).unwrap();
    drifted["revision"] = json!("abc");
    drifted["url"] = json!("https://ci/1");
    app.accept(drifted.to_string());
    app.advance(SECOND);
    app.accept(report("r", "s", "OUT_OF_SYNC", &["b", "c"]));
    app.advance(5 * HOUR);
    wait_until("its silence is recorded", || events(&app, "").len() == 4);
    app.accept(report("r", "s", "SYNCED", &[]));
    delete(&app, "r", "s");

    let page = history(&app, "");
    let all = ["deleted", "synced", "fresh", "stale", "changed", "drifted", "first"];
    let words: Vec<&Value> =
        page["items"].as_array().unwrap().iter().map(|item| &item["event"]).collect();
    assert_eq!(words, all);
    assert_eq!(page["next"], Value::Null);
    assert_eq!(
        page["items"][5],
        json!({
            "time": start.plus(SECOND).to_string(), "repo": "r", "server": "s",
            "event": "drifted", "sync_status": "OUT_OF_SYNC", "status_code": 1, "drift_count": 2,
            "files_added": [{"name": "a"}, {"name": "b"}], "files_added_count": 2,
            "files_removed": [], "files_removed_count": 0,
            "revision": "abc", "url": "https://ci/1", "by": null,
        })
    );
    let changed = &page["items"][4];
    assert_eq!(changed["files_added"], json!([{"name": "c"}]));
    assert_eq!(changed["files_removed"], json!([{"name": "a"}]));
    let stale = &page["items"][3];
    assert_eq!(stale["time"], start.plus(2 * SECOND + 2 * HOUR).to_string());
    assert_eq!((&stale["drift_count"], &stale["status_code"]), (&json!(2), &json!(1)));
}

#[test]
fn the_fields_are_in_their_order_and_flat_rows_have_one_level() {
    let app = TestApp::spawn();
    app.accept(report("r", "s", "OUT_OF_SYNC", &["b", "a"]));
    let time = app.clock.read().wall;
    let nested = format!(
        "{{\"items\":[{{\"time\":\"{time}\",\"repo\":\"r\",\"server\":\"s\",\"event\":\"first\",\
         \"sync_status\":\"OUT_OF_SYNC\",\"status_code\":1,\"drift_count\":2,\
         \"files_added\":[{{\"name\":\"a\"}},{{\"name\":\"b\"}}],\"files_added_count\":2,\
         \"files_removed\":[],\"files_removed_count\":0,\"revision\":null,\"url\":null,\
         \"by\":null}}],\"next\":null}}"
    );
    assert_eq!(app.get("/api/history").text(), nested);
    let flat = nested.replace("[{\"name\":\"a\"},{\"name\":\"b\"}]", "\"a, b\"");
    let flat = flat.replace("\"files_removed\":[]", "\"files_removed\":\"\"");
    assert_eq!(app.get("/api/history?flat=true").text(), flat);
    assert_eq!(app.get("/api/history?flat=0&_=1").text(), nested);
}

#[test]
fn filters_keep_the_changes_that_match() {
    let app = TestApp::spawn();
    app.accept(report("a", "x", "SYNCED", &[]));
    app.accept(report("b", "x", "OUT_OF_SYNC", &["sub/f.conf"]));
    app.accept(report("b", "y", "SYNCED", &["g.conf"]));
    app.accept(report("b", "y", "SYNCED", &[]));
    delete(&app, "b", "x");
    for (query, expected) in [
        ("?repo=a", &["first a/x"][..]),
        ("?repo=b&server=y", &["changed b/y", "first b/y"]),
        ("?var-server={x,z}", &["deleted b/x", "first b/x", "first a/x"]),
        ("?server=*", &["deleted b/x", "changed b/y", "first b/y", "first b/x", "first a/x"]),
        ("?server=x*&repo=b,c", &["deleted b/x", "first b/x"]),
        ("?repo=nothing", &[]),
        ("?file=g.conf", &["changed b/y", "first b/y"]),
        ("?q=F.CONF", &["first b/x"]),
        ("?sync_status=out_of_sync", &["deleted b/x", "first b/x"]),
        ("?drifted=false", &["changed b/y", "first a/x"]),
        ("?stale=true", &[]),
        ("?event=deleted", &["deleted b/x"]),
        ("?event=deleted,Changed&event=stale", &["deleted b/x", "changed b/y"]),
        ("?event=$__all&repo=a", &["first a/x"]),
        ("?event=first&repo=b", &["first b/y", "first b/x"]),
    ] {
        assert_eq!(events(&app, query), expected, "{query}");
    }
}

#[test]
fn pages_follow_each_other_while_new_changes_arrive() {
    let app = TestApp::spawn();
    let server = |number: usize| format!("s{number:02}");
    for number in 0..25 {
        app.accept(report("r", &server(number), "SYNCED", &[]));
        if number % 3 == 0 {
            app.advance(SECOND);
        }
    }
    for filter in ["", "&repo=r", "&q=s"] {
        let mut seen = Vec::new();
        let mut next = String::new();
        loop {
            let query = format!("?limit=7{filter}{next}");
            let page = history(&app, &query);
            seen.extend(events(&app, &query));
            app.accept(report("other", &format!("{filter}{}", seen.len()), "SYNCED", &[]));
            match page["next"].as_str() {
                Some(cursor) => next = format!("&cursor={cursor}"),
                None => break,
            }
        }
        seen.retain(|line| line.starts_with("first r/"));
        let expected: Vec<String> =
            (0..25).rev().map(|number| format!("first r/{}", server(number))).collect();
        assert_eq!(seen, expected, "{filter}");
    }
    let page = history(&app, "?limit=25&repo=r");
    assert_eq!(page["next"], Value::Null, "nothing follows");
}

#[test]
fn from_and_to_are_times_in_every_spelling() {
    let app = TestApp::spawn();
    let start = app.clock.read().wall;
    for server in ["a", "b", "c"] {
        app.accept(report("r", server, "SYNCED", &[]));
        app.advance(SECOND);
    }
    let seconds = start.millis() / 1000;
    for (from, to) in [
        (start.plus(SECOND).to_string(), start.plus(2 * SECOND).to_string()),
        ((seconds + 1).to_string(), (seconds + 2).to_string()),
        ((seconds * 1000 + 1000).to_string(), (seconds * 1000 + 2000).to_string()),
        (
            "2026-04-21T12:32:15.9999%2B02:00".to_owned(),
            "2026-04-21T10:32:16.000000001Z".to_owned(),
        ),
        ("now-2s".to_owned(), "now-1s".to_owned()),
    ] {
        let query = format!("?from={from}&to={to}");
        assert_eq!(events(&app, &query), ["first r/b"], "{query}");
    }
    assert_eq!(events(&app, &format!("?from={}", seconds + 2)), ["first r/c"]);
    assert_eq!(events(&app, &format!("?to={}&repo=r", seconds + 1)), ["first r/a"]);
    assert_eq!(events(&app, "?from=2026-04-21&to=2026-04-22&limit=1"), ["first r/c"]);
    assert_eq!(events(&app, "?from=now-24h&to=now").len(), 3);
    assert_eq!(events(&app, "?from=now"), [""; 0]);
    assert_eq!(events(&app, "?to=2026-04-21"), [""; 0]);
}

#[test]
fn a_wrong_parameter_is_refused_with_what_is_accepted() {
    let app = TestApp::spawn();
    for (query, expected) in [
        ("?limit=0", "limit must be a whole number from 1 to 10000"),
        ("?limit=10001", "limit must be a whole number from 1 to 10000"),
        ("?event=gone", "event must be a list of first, drifted, synced, changed, stale, fresh"),
        ("?cursor=abc", "cursor must be what next was in an answer"),
        ("?cursor=1.2&cursor=1.2", "cursor must be given only once"),
        ("?from=yesterday", "from must be a time such as 2026-04-21T10:32:15Z"),
        ("?from=", "from must be a time"),
        ("?from=now-1w", "a date such as 2026-04-21 (midnight in UTC), now, now-24h or now-7d"),
        ("?to=now%2B1h", "to must be a time"),
        ("?to=253402300800000", "to must be a time"),
        ("?from=2&to=1", "from must be no later than to"),
        ("?flat=yes", "flat must be true or false"),
        ("?offset=1", "known are repo, server, file, sync_status, drifted, stale, revision, q, "),
        ("?reop=a", "Unknown parameter \"reop\""),
    ] {
        let message = app.get(&format!("/api/history{query}")).error(400);
        assert!(message.contains(expected), "{query}: {message}");
    }
    let reply = app.send("POST", "/api/history", &[], b"");
    assert_eq!(reply.header("allow"), Some("GET, HEAD"));
    reply.error(405);
}

#[test]
fn an_answer_is_compressed_if_the_client_asks_for_it() {
    let app = TestApp::spawn();
    app.accept(report("r", "s", "SYNCED", &[]));
    let reply = app.get_with("/api/history", &[("Accept-Encoding", "gzip")]);
    assert_eq!(reply.header("content-encoding"), Some("gzip"));
    assert_eq!(reply.inflated(), app.get("/api/history").body);
    let head = app.send("HEAD", "/api/history", &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[test]
fn the_history_outlives_a_restart() {
    let app = TestApp::spawn();
    app.accept(report("r", "s", "SYNCED", &[]));
    app.accept(report("r", "s", "OUT_OF_SYNC", &["a"]));
    let before = history(&app, "");
    let app = app.restart_after(SECOND);
    assert_eq!(history(&app, ""), before);
}

#[test]
fn a_silence_that_is_recorded_late_has_its_true_time_and_position() {
    let app = TestApp::spawn();
    let start = app.clock.read().wall;
    app.accept(report("r", "s", "SYNCED", &[]));
    let app = app.restart_after(5 * HOUR);
    app.accept(report("r", "other", "SYNCED", &[]));
    app.advance(Duration::from_mins(10));
    wait_until("its silence is recorded", || events(&app, "").len() == 3);
    assert_eq!(events(&app, ""), ["first r/other", "stale r/s", "first r/s"]);
    // Two of the five hours without a server do not count.
    assert_eq!(history(&app, "")["items"][1]["time"], start.plus(4 * HOUR).to_string());
}

#[test]
fn a_history_whose_database_is_gone_is_a_503_and_comes_back_with_it() {
    let app = TestApp::spawn();
    app.accept(report("r", "s", "SYNCED", &[]));
    assert_eq!(events(&app, "").len(), 1);
    let away = app.take_database_away();
    let reply = app.get("/api/history");
    assert_eq!(reply.header("retry-after"), Some("5"));
    assert!(reply.error(503).starts_with("The history cannot be read"));
    away.give_back();
    wait_until("it is back", || app.get("/api/history").status == 200);
}
