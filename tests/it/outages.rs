//! The server's own outages, which are not the silence of reporters.

use std::time::Duration;

use gitops_status_server::clock::Clock;
use serde_json::Value;

use crate::support::{TestApp, report, wait_until};

const HOUR: Duration = Duration::from_hours(1);
const MINUTE: Duration = Duration::from_mins(1);
const SECOND: Duration = Duration::from_secs(1);

fn post(app: &TestApp, server: &str) {
    app.accept(report("repo", server, "SYNCED", &[]));
}

fn stale(app: &TestApp) -> Vec<String> {
    app.names("?stale=true")
}

/// Lets time pass, and returns once the writer has read the clock.
fn pass(app: &TestApp, span: Duration) {
    app.advance(span);
    post(app, "witness");
}

#[test]
fn after_three_hours_down_nobody_is_stale_at_once_and_the_silent_are_an_hour_later() {
    let app = TestApp::spawn();
    post(&app, "a");
    app.advance(30 * MINUTE);
    post(&app, "b");
    let expires_at = |app: &TestApp| -> Vec<Value> {
        app.list("").iter().map(|row| row["expires_at"].clone()).collect()
    };
    let before = expires_at(&app);
    let app = app.restart_after(3 * HOUR);
    assert_eq!((stale(&app), app.names("").len()), (vec![], 2));
    assert_eq!(expires_at(&app), before, "they do not expire later");
    pass(&app, 30 * MINUTE - SECOND);
    assert_eq!(stale(&app), [""; 0]);
    app.advance(SECOND);
    wait_until("a is stale: four hours, of which two do not count", || stale(&app) == ["repo/a"]);
    pass(&app, 30 * MINUTE - SECOND);
    assert_eq!(stale(&app), ["repo/a"]);
    app.advance(SECOND);
    wait_until("b is stale", || stale(&app) == ["repo/a", "repo/b"]);
}

#[test]
fn the_time_down_counts_for_nobody_and_the_time_up_for_all() {
    let app = TestApp::spawn();
    post(&app, "a");
    app.advance(HOUR);
    post(&app, "last");
    let app = app.restart_after(20 * MINUTE);
    pass(&app, HOUR - SECOND);
    assert_eq!(stale(&app), [""; 0]);
    app.advance(SECOND);
    wait_until("a was silent for two hours of service", || stale(&app) == ["repo/a"]);
}

#[test]
fn who_was_stale_before_an_outage_stays_stale() {
    let app = TestApp::spawn();
    post(&app, "a");
    app.advance(2 * HOUR);
    wait_until("it is stale", || stale(&app) == ["repo/a"]);
    post(&app, "b");
    let app = app.restart_after(3 * HOUR);
    assert_eq!(stale(&app), ["repo/a"]);
    let events = app.stored("select event from transitions where server = 'a'");
    assert_eq!(events, ["first", "stale"]);
}

#[test]
fn restarts_do_not_put_a_silence_off_for_ever() {
    let app = TestApp::spawn();
    post(&app, "s");
    let mut app = app.restart_after(HOUR);
    for _ in 0..5 {
        app = app.restart_after(30 * MINUTE);
        assert_eq!(stale(&app), [""; 0]);
    }
    app.advance(30 * MINUTE - SECOND);
    assert_eq!(stale(&app), [""; 0]);
    app.advance(SECOND);
    wait_until("four hours are the most", || stale(&app) == ["repo/s"]);
    let tag = |app: &TestApp| app.get("/status.json").header("etag").unwrap().to_owned();
    let recorded = || {
        let events = app.stored("select event from transitions");
        events == ["first", "stale"]
    };
    wait_until("its silence is recorded", recorded);
    let before = tag(&app);
    let app = app.restart_after(HOUR);
    assert_eq!((stale(&app), tag(&app)), (vec!["repo/s".to_owned()], before));
}

#[test]
fn a_silence_of_all_before_a_start_is_taken_for_an_outage_unless_it_is_recorded() {
    let app = TestApp::with(|config| config.stale_after = Some(6 * HOUR));
    post(&app, "s");
    app.advance(3 * HOUR);
    let app = app.restart_after(Duration::ZERO);
    app.advance(6 * HOUR - SECOND);
    assert_eq!(stale(&app), [""; 0]);
    app.advance(SECOND);
    wait_until("three of nine hours do not count", || stale(&app) == ["repo/s"]);
    let events = || app.stored("select event from transitions");
    wait_until("its silence is recorded", || events() == ["first", "stale"]);
    let app = app.restart_after(Duration::ZERO);
    assert_eq!(stale(&app), ["repo/s"]);
}

#[test]
fn an_entry_is_stale_before_it_expires_also_after_an_outage() {
    let app = TestApp::with(|config| config.ttl = Some(3 * HOUR));
    post(&app, "s");
    let app = app.restart_after(2 * HOUR);
    assert_eq!(stale(&app), [""; 0]);
    app.advance(30 * MINUTE);
    wait_until("it is stale", || stale(&app) == ["repo/s"]);
    app.advance(30 * MINUTE);
    wait_until("it expires when it should", || app.names("").is_empty());
    let app = app.restart_after(Duration::ZERO);
    assert_eq!(app.names(""), [""; 0]);
}

#[test]
fn an_outage_is_measured_by_the_right_clock_once_a_wrong_one_is_set() {
    let century = 36_500 * 24 * HOUR;
    for is_ahead in [true, false] {
        let app = TestApp::spawn();
        post(&app, "s");
        let start = app.clock.read().wall;
        let clock = app.clock.clone();
        let wrong = if is_ahead { start.plus(century) } else { start.minus(century / 2) };
        let app = app.restart_between(|| clock.set_wall(wrong));
        app.clock.set_wall(start.plus(3 * HOUR));
        wait_until("it is fresh", || app.names("?stale=false") == ["repo/s"]);
        pass(&app, HOUR - SECOND);
        assert_eq!(stale(&app), [""; 0]);
        app.advance(SECOND);
        wait_until("it is stale", || stale(&app) == ["repo/s"]);
    }
}

#[test]
fn an_update_between_two_restarts_does_not_take_the_first_outage_back() {
    let app = TestApp::spawn();
    for server in ["a", "b", "other"] {
        post(&app, server);
    }
    let app = app.restart_after(3 * HOUR);
    post(&app, "other");
    let mut app = app.restart_after(2 * SECOND);
    assert_eq!(stale(&app), [""; 0]);
    for _ in 0..3 {
        app.advance(20 * SECOND);
        post(&app, "other");
        app = app.restart_after(2 * SECOND);
        assert_eq!(stale(&app), [""; 0]);
    }
    app.advance(HOUR - 69 * SECOND);
    post(&app, "witness");
    assert_eq!(stale(&app), [""; 0], "but for two of three hours");
    app.advance(HOUR);
    wait_until("four hours are the most", || stale(&app) == ["repo/a", "repo/b"]);
}

#[test]
fn two_outages_with_updates_between_them_add_up() {
    let app = TestApp::spawn();
    post(&app, "a");
    let app = app.restart_after(30 * MINUTE);
    post(&app, "b");
    let app = app.restart_after(40 * MINUTE);
    pass(&app, 2 * HOUR - SECOND);
    assert_eq!(stale(&app), [""; 0]);
    app.advance(SECOND);
    wait_until("70 minutes do not count", || stale(&app) == ["repo/a", "repo/b"]);
    let rows = app.stored("select cast((ended - began) / 60000 as text) from outages");
    assert_eq!(rows, ["30", "40"]);
}

#[test]
fn a_clock_that_is_set_after_a_start_does_not_take_the_outage_back() {
    for is_ahead in [true, false] {
        let app = TestApp::spawn();
        post(&app, "a");
        let app = app.restart_after(3 * HOUR);
        post(&app, "other");
        let wall = app.clock.read().wall;
        let wall = if is_ahead { wall.plus(10 * SECOND) } else { wall.minus(10 * SECOND) };
        app.clock.set_wall(wall);
        pass(&app, HOUR - 22 * SECOND);
        assert_eq!(stale(&app), [""; 0]);
        let app = app.restart_after(SECOND);
        assert_eq!(stale(&app), [""; 0]);
        app.advance(32 * SECOND);
        wait_until("four hours are the most", || stale(&app) == ["repo/a"]);
    }
}

#[test]
fn an_end_that_a_wrong_clock_gave_an_outage_does_not_stay() {
    let app = TestApp::spawn();
    post(&app, "s");
    let start = app.clock.read().wall;
    let clock = app.clock.clone();
    let app = app.restart_between(|| clock.set_wall(start.plus(1000 * 24 * HOUR)));
    let ends =
        |app: &TestApp| app.stored("select cast((ended - began) / 60000 as text) from outages");
    wait_until("it is stored", || ends(&app) == ["1440000"]);
    app.clock.set_wall(start.plus(30 * MINUTE));
    wait_until("it is stored anew", || ends(&app) == ["30"]);
    // The clock is put right only while the program does not run.
    let app = app.restart_between(|| clock.set_wall(start.plus(1000 * 24 * HOUR)));
    wait_until("it is stored", || ends(&app) == ["1440000"]);
    let app = app.restart_between(|| clock.set_wall(start.plus(HOUR)));
    wait_until("it is stored anew", || ends(&app) == ["60"]);
    drop(app);
}
