//! How long the history is kept.

use std::time::Duration;

use gitops_status_server::clock::Clock;
use serde_json::json;

use crate::support::{TestApp, report, wait_until};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const MINUTE: Duration = Duration::from_mins(1);

fn post(app: &TestApp, server: &str, status: &str) {
    app.accept(report("r", server, status, &[]));
}

fn events(app: &TestApp) -> Vec<String> {
    app.stored("select event || ' ' || server from transitions order by at, id")
}

/// Waits for two ticks of the writer: once the second begins, the work of the first is done.
fn let_ticks_pass(app: &TestApp) {
    for _ in 0..2 {
        let probe = json!({
            "repo": "probe", "server": "s", "sync_status": "SYNCED", "drift_count": 0, "files": [],
            "last_check": "2026-04-21T10:32:15Z", "stale_after_seconds": 1, "ttl_seconds": 0,
        });
        app.accept(probe.to_string());
        app.advance(Duration::from_secs(1));
        wait_until("the clock is followed", || !app.list("?repo=probe&stale=true").is_empty());
    }
}

#[test]
fn old_changes_are_deleted_except_the_last_of_each_entry() {
    let app = TestApp::with(|config| {
        config.history_retention = Some(10 * DAY);
        config.stale_after = None;
        config.ttl = None;
    });
    for status in ["SYNCED", "OUT_OF_SYNC", "SYNCED"] {
        post(&app, "a", status);
        post(&app, "deleted", status);
        app.advance(HOUR);
    }
    assert_eq!(app.send("DELETE", "/api/status?repo=r&server=deleted", &[], b"").status, 200);
    app.advance(5 * DAY);
    let from = app.clock.read().wall.millis();
    app.advance(MINUTE);
    post(&app, "a", "OUT_OF_SYNC");
    app.advance(5 * DAY);
    wait_until("the changes before are deleted", || {
        events(&app) == ["synced a", "deleted deleted", "drifted a"]
    });
    app.advance(HOUR);
    wait_until("the end of an entry is deleted too", || events(&app) == ["synced a", "drifted a"]);
    let timeline = app.get(&format!("/api/timeline?from={from}")).json();
    assert_eq!(timeline[0]["status_code"], 0, "it is carried forward: {timeline}");
    assert_eq!(timeline.as_array().unwrap().len(), 2);
    let app = app.restart_after(DAY);
    assert_eq!(events(&app), ["synced a", "drifted a"]);
}

#[test]
fn each_entry_keeps_its_newest_changes() {
    let app = TestApp::with(|config| config.history_rows_per_entry = Some(3));
    for round in 0..10 {
        post(&app, "flaps", if round % 2 == 0 { "SYNCED" } else { "OUT_OF_SYNC" });
        app.advance(MINUTE);
    }
    post(&app, "calm", "SYNCED");
    wait_until("three are left", || events(&app).len() == 4);
    assert_eq!(events(&app), ["drifted flaps", "synced flaps", "drifted flaps", "first calm"]);
}

#[test]
fn above_the_size_limit_the_oldest_changes_are_deleted() {
    let app = TestApp::with(|config| {
        config.history_max_bytes = Some(1 << 20);
        config.stale_after = None;
    });
    // PostgreSQL compresses long texts in which anything recurs.
    let mut digits = 1_u64;
    let mut name = || {
        digits = digits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        format!("{digits:016x}")
    };
    let names: Vec<String> = (0..100).map(|_| (0..12).map(|_| name()).collect()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    post(&app, "calm", "SYNCED");
    for round in 0..200 {
        app.advance(Duration::from_secs(1));
        app.accept(report("r", "a", "OUT_OF_SYNC", if round % 2 == 0 { &names } else { &[] }));
    }
    assert_eq!(events(&app).len(), 201);
    let count = || events(&app).len();
    app.advance(HOUR);
    wait_until("some are gone", || count() < 150);
    assert!(count() > 10, "{} are left", count());
    assert!(events(&app).contains(&"first calm".to_owned()), "each entry's last one stays");
    post(&app, "a", "SYNCED");
    assert_eq!(app.list("").len(), 2);
}

#[test]
fn nothing_is_deleted_while_the_clock_is_not_believed() {
    let app = TestApp::with(|config| {
        config.history_retention = Some(10 * DAY);
        config.ttl = None;
    });
    post(&app, "a", "SYNCED");
    post(&app, "a", "OUT_OF_SYNC");
    let wall = app.clock.read().wall;
    app.clock.set_wall(wall.plus(365 * DAY));
    app.advance(9 * MINUTE);
    let_ticks_pass(&app);
    let kept = |app: &TestApp| events(app).iter().filter(|line| line.ends_with(" a")).count();
    assert_eq!(kept(&app), 2);
    app.clock.set_wall(wall.plus(9 * MINUTE));
    app.advance(HOUR);
    let_ticks_pass(&app);
    assert_eq!(kept(&app), 2, "the clock has returned");
    app.clock.set_wall(wall.plus(365 * DAY));
    app.advance(11 * MINUTE);
    wait_until("it is believed", || {
        app.advance(HOUR);
        kept(&app) == 1
    });
}

#[test]
fn without_limits_everything_is_kept() {
    let app = TestApp::with(|config| {
        config.history_retention = None;
        config.history_rows_per_entry = None;
        config.history_max_bytes = None;
        config.ttl = None;
        config.stale_after = None;
    });
    post(&app, "a", "SYNCED");
    post(&app, "a", "OUT_OF_SYNC");
    app.advance(3000 * DAY);
    let_ticks_pass(&app);
    assert_eq!(events(&app)[..2], ["first a", "drifted a"]);
}
