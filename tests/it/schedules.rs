//! Schedules: entries whose reporters have another rhythm than the rest.

use std::time::Duration;

use gitops_status_server::clock::Clock;
use gitops_status_server::domain::{Names, Schedule};
use serde_json::{Value, json};

use crate::support::{TestApp, report, wait_until};

const HOUR: Duration = Duration::from_hours(1);

/// Returns a schedule as its table says it.
fn schedule(repo: &str, server: &str, stale_after: Option<Duration>) -> Schedule {
    let names = |text: &str| Names::parse([text]);
    Schedule { repo: names(repo), server: names(server), stale_after, ttl: None }
}

fn with_nightly_jobs() -> TestApp {
    TestApp::with(|config| {
        config.schedules = vec![
            schedule("backup-*", "", Some(30 * HOUR)),
            schedule("", "lab-*", Some(Duration::ZERO)),
        ];
    })
}

fn post(app: &TestApp, repo: &str, server: &str, own: &Value) {
    let mut body: Value = serde_json::from_str(&report(repo, server, "SYNCED", &[])).unwrap();
    body.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
    app.accept(body.to_string());
}

#[test]
fn a_nightly_job_is_not_stale_in_the_morning() {
    let app = with_nightly_jobs();
    for (repo, server) in
        [("backup-db", "web-1"), ("backup-db", "lab-1"), ("nginx", "web-1"), ("nginx", "lab-1")]
    {
        // Twice: an entry that is known keeps its schedule.
        post(&app, repo, server, &json!({}));
        post(&app, repo, server, &json!({}));
    }
    post(&app, "backup-db", "own", &json!({"stale_after_seconds": 3600}));
    app.advance(2 * HOUR);
    let stale = || app.names("?stale=true");
    wait_until("two are stale", || stale() == ["backup-db/own", "nginx/web-1"]);
    app.advance(27 * HOUR);
    post(&app, "other", "web-1", &json!({}));
    assert_eq!(stale(), ["backup-db/own", "nginx/web-1"]);
    app.advance(HOUR);
    let expected = ["backup-db/lab-1", "backup-db/own", "backup-db/web-1", "nginx/web-1"];
    wait_until("the nightly ones are stale", || {
        let stale = stale();
        expected.iter().all(|name| stale.iter().any(|stale| stale == name))
    });
    app.advance(400 * 24 * HOUR);
    wait_until("what is never stale does not expire", || app.names("") == ["nginx/lab-1"]);
}

#[test]
fn a_schedule_is_for_stored_entries_too_and_survives_a_clock_that_is_set() {
    let app = TestApp::spawn();
    post(&app, "backup-db", "web-1", &json!({}));
    post(&app, "nginx", "web-1", &json!({}));
    let since = app.list("?repo=nginx")[0]["expires_at"].clone();
    let app = app.restart_with(|config| {
        config.schedules = vec![schedule("backup-*", "", Some(20 * 24 * HOUR))];
    });
    let expires_at = |repo: &str| app.list(&format!("?repo={repo}"))[0]["expires_at"].clone();
    assert_eq!(expires_at("nginx"), since);
    assert_eq!(expires_at("backup-db"), "2026-05-31T10:32:15.000Z", "twice as long as it is fresh");
    app.clock.set_wall(app.clock.read().wall.plus(HOUR));
    app.advance(2 * HOUR);
    wait_until("one is stale", || app.names("?stale=true") == ["nginx/web-1"]);
    assert_eq!(expires_at("backup-db"), "2026-05-31T10:32:15.000Z");
}

#[test]
fn a_warning_compares_a_report_with_its_schedule() {
    let app = with_nightly_jobs();
    let mut body: Value = serde_json::from_str(&report("backup-db", "s", "SYNCED", &[])).unwrap();
    body["ttl_seconds"] = json!(86400);
    let answer = app.post(body.to_string()).json();
    let warning = "ttl_seconds: not above stale_after (108000 s), so the entry is stale after \
                   43200 s, half of ttl_seconds";
    assert_eq!(answer["warnings"], json!([warning]));
}
