//! Entries that expire while they are drifted: to expire is not to be repaired.

use std::time::Duration;

use gitops_status_server::domain::{
    DriftCount, Entry, Head, MOST_EXPIRED_DRIFTED, Now, Plan, Policy, RepoName, Report,
    ReportedTime, ReporterSchedule, ServerName, Snapshot, SyncStatus, Timestamp,
};
use serde_json::{Value, json};

use crate::support::{TestApp, report, run_sql, wait_until};

const DAY: Duration = Duration::from_hours(24);
const MINUTE: Duration = Duration::from_mins(1);

/// Returns the pairs that the metric shows.
fn shown(app: &TestApp) -> Vec<String> {
    let text = app.get("/metrics").text();
    let name = "gitops_status_expired_drifted{";
    text.lines().filter_map(|line| line.strip_prefix(name)).map(str::to_owned).collect()
}

fn series(server: &str) -> String {
    format!("repo=\"repo\",server=\"{server}\"}} 1")
}

fn counted(app: &TestApp, name: &str) -> String {
    let text = app.get("/metrics").text();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_default().to_owned()
}

/// Waits until so many ends are stored: they are shown a little earlier.
fn wait_for_ends(app: &TestApp, count: usize) {
    let expected = count.to_string();
    wait_until("they have expired", || counted(app, "gitops_status_expired_total") == expected);
}

fn remove(app: &TestApp, server: &str) -> u16 {
    app.send("DELETE", &format!("/api/status?repo=repo&server={server}"), &[], b"").status
}

fn events(app: &TestApp, server: &str) -> Vec<String> {
    let history = app.get(&format!("/api/history?server={server}")).json();
    let items = history["items"].as_array().unwrap().iter();
    items.map(|item| item["event"].as_str().unwrap().to_owned()).rev().collect()
}

/// Starts an application in which these servers have expired while drifted.
fn with_expired(servers: &[&str]) -> TestApp {
    let app = TestApp::spawn();
    for server in servers {
        app.accept(report("repo", server, "OUT_OF_SYNC", &["a.conf"]));
    }
    app.advance(14 * DAY);
    wait_for_ends(&app, servers.len());
    assert_eq!(shown(&app).len(), servers.len());
    app
}

#[test]
fn what_expires_while_drifted_is_counted_apart_and_is_a_series() {
    let app = TestApp::spawn();
    app.accept(report("repo", "drifted", "OUT_OF_SYNC", &["a.conf"]));
    app.accept(report("repo", "synced", "SYNCED", &[]));
    let mut by_count: Value =
        serde_json::from_str(&report("repo", "by-count", "SYNCED", &[])).unwrap();
    by_count["drift_count"] = json!(1);
    app.accept(by_count.to_string());
    let text = app.get("/metrics").text();
    assert!(text.contains("\n# TYPE gitops_status_expired_drifted gauge\n"));
    app.advance(14 * DAY - MINUTE);
    app.accept(report("repo", "alive", "OUT_OF_SYNC", &["a.conf"]));
    assert_eq!(shown(&app), [""; 0]);
    app.advance(MINUTE);
    wait_for_ends(&app, 3);
    assert_eq!(shown(&app), [series("by-count"), series("drifted")]);
    assert_eq!(counted(&app, "gitops_status_expired_while_drifted_total"), "2");
    assert_eq!(app.names(""), ["repo/alive"]);
    assert_eq!(app.get("/health").json()["tracked_repos"], 1);
    let stored_bytes = app.get("/status.json").text().len() - "[]".len();
    let stored = || counted(&app, "gitops_status_stored_bytes");
    wait_until("the rows are gone", || stored() == stored_bytes.to_string());
    let app = app.restart_with(|config| config.metrics_per_entry = false);
    assert!(!app.get("/metrics").text().contains("gitops_status_expired_drifted"));
}

#[test]
fn it_is_shown_for_a_week_also_over_restarts_and_with_another_time_to_live() {
    let app = with_expired(&["s"]);
    let app = app.restart_with(|config| config.ttl = None);
    assert_eq!((shown(&app), app.names("")), (vec![series("s")], vec![]));
    let app = app.restart_after(7 * DAY - MINUTE);
    assert_eq!(shown(&app), [series("s")]);
    app.advance(MINUTE);
    wait_until("a week is over", || shown(&app).is_empty());
    app.advance(10 * MINUTE);
    let rows = || app.stored("select server from entries");
    wait_until("its row is gone", || rows().is_empty());
    assert_eq!(events(&app, "s"), ["first", "stale", "expired"]);
}

#[test]
fn a_removal_ends_it_once_and_is_in_the_history() {
    let app = with_expired(&["a", "b"]);
    assert_eq!(remove(&app, "a"), 200);
    assert_eq!(shown(&app), [series("b")]);
    assert_eq!(remove(&app, "a"), 404);
    assert_eq!(events(&app, "a"), ["first", "stale", "expired", "deleted"]);
    let app = app.restart_after(MINUTE);
    assert_eq!(shown(&app), [series("b")]);
}

#[test]
fn what_expires_before_a_start_is_a_series_at_once_and_can_be_removed() {
    let app = TestApp::spawn();
    for (server, status) in [("a", "OUT_OF_SYNC"), ("b", "OUT_OF_SYNC"), ("synced", "SYNCED")] {
        app.accept(report("repo", server, status, &[]));
    }
    let app = app.restart_after(14 * DAY);
    assert_eq!((shown(&app), app.names("")), (vec![series("a"), series("b")], vec![]));
    assert_eq!(counted(&app, "gitops_status_expired_total"), "0");
    assert_eq!((remove(&app, "a"), remove(&app, "synced")), (200, 404));
    assert_eq!((shown(&app), remove(&app, "a")), (vec![series("b")], 404));
    assert_eq!(events(&app, "a"), ["first", "deleted"]);
    assert_eq!(app.get("/health").json()["tracked_repos"], 0);
    app.advance(10 * MINUTE);
    wait_for_ends(&app, 2);
    assert_eq!(shown(&app), [series("b")]);
    assert_eq!(events(&app, "b"), ["first", "stale", "expired"]);
}

#[test]
fn the_page_that_its_alert_links_to_says_what_happened_and_offers_to_remove_it() {
    let said = ["This entry expired while drifted", "up to a week", "id=\"remove\"", "-X DELETE"];
    let app = with_expired(&["s"]);
    let page = || app.get("/entry?repo=repo&server=s");
    let text = page().text();
    assert!(said.iter().all(|said| text.contains(said)), "{text}");
    assert!(text.contains("The drift began <time") && text.contains(">14 d ago<"), "{text}");
    assert_eq!(remove(&app, "s"), 200);
    let text = page().text();
    assert!(said.iter().all(|said| !text.contains(said)), "{text}");
    assert!(text.contains("There is no entry of this repo and server any more."), "{text}");
    let app = TestApp::spawn();
    app.accept(report("repo", "s", "OUT_OF_SYNC", &["a.conf"]));
    let text = app.restart_after(14 * DAY).get("/entry?repo=repo&server=s").text();
    assert!(said.iter().all(|said| text.contains(said)), "just after a start: {text}");
}

#[test]
fn an_update_ends_it_as_the_first_of_a_new_entry() {
    let app = with_expired(&["a", "b"]);
    app.accept(report("repo", "a", "OUT_OF_SYNC", &["a.conf"]));
    app.accept(report("repo", "b", "SYNCED", &[]));
    assert_eq!(shown(&app), [""; 0]);
    assert_eq!(events(&app, "a"), ["first", "stale", "expired", "first"]);
    assert_eq!(app.names("?drifted=true"), ["repo/a"]);
    let added = app.get("/api/history?server=a&limit=1").json();
    assert_eq!(added["items"][0]["files_added_count"], 1);
}

#[test]
fn a_database_from_before_there_were_such_rows_is_upgraded() {
    let app = TestApp::spawn();
    app.accept(report("repo", "s", "OUT_OF_SYNC", &["a.conf"]));
    let before = app.list("");
    let path = app.database();
    let app = app.restart_between(|| {
        run_sql(&path, "alter table entries drop column expired_at");
        run_sql(&path, "drop table outages");
        run_sql(&path, "alter table meta drop column restored_at");
        run_sql(&path, "delete from _sqlx_migrations where version >= 5");
    });
    assert_eq!(app.list(""), before);
    app.advance(14 * DAY);
    wait_until("it has expired", || shown(&app) == [series("s")]);
}

#[test]
fn it_takes_no_room_from_others() {
    let app = TestApp::with(|config| config.max_entries = Some(1));
    app.accept(report("repo", "s", "OUT_OF_SYNC", &["a.conf"]));
    assert_eq!(app.post(report("repo", "other", "SYNCED", &[])).status, 507);
    app.advance(14 * DAY);
    wait_for_ends(&app, 1);
    assert_eq!(shown(&app), [series("s")]);
    wait_until("there is room", || app.post(report("repo", "other", "SYNCED", &[])).status == 200);
    assert_eq!(app.post(report("repo", "s", "SYNCED", &[])).status, 507, "it is new again");
    assert_eq!(remove(&app, "other"), 200);
    app.accept(report("repo", "s", "SYNCED", &[]));
    assert_eq!(app.post(report("repo", "other", "SYNCED", &[])).status, 507);
}

#[test]
fn no_more_than_ten_thousand_are_kept() {
    let hour = Duration::from_hours(1);
    let policy = Policy::new(Some(hour), Some(2 * hour));
    let start = Timestamp::from_millis(0);
    let entry = |number: usize| {
        let report = Report {
            repo: RepoName::parse("r").unwrap(),
            server: ServerName::parse(&number.to_string()).unwrap(),
            sync_status: SyncStatus::OutOfSync,
            drift_count: DriftCount::default(),
            files: std::iter::empty().collect(),
            last_check: ReportedTime::parse("2026-04-21T10:32:15Z").unwrap(),
            schedule: ReporterSchedule::default(),
            revision: None,
            url: None,
        };
        Entry::first(report, start).0.into()
    };
    let now = Now { at: start.plus(2 * hour), steady_for: hour };
    let entries = (0..MOST_EXPIRED_DRIFTED + 50).map(entry).collect();
    let mut snapshot = Snapshot::load(policy, Head::default(), entries, now);
    loop {
        let unsettled = snapshot.unsettled(now, 32);
        if unsettled.is_empty() {
            break;
        }
        let keys = unsettled.iter().map(|standing| standing.entry().key());
        let plan = Plan::settling(&snapshot, keys, now);
        snapshot.accept(&plan, snapshot.head().next());
    }
    assert_eq!((snapshot.expired_drifted(), snapshot.kept()), (MOST_EXPIRED_DRIFTED, 0));
}
