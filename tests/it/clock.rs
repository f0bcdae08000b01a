//! The life of an entry, and clocks that jump.

use std::env;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use gitops_status_server::clock::Clock;
use serde_json::{Value, json};

use crate::support::{Random, TestApp, report, wait_until};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const SECOND: Duration = Duration::from_secs(1);

fn post(app: &TestApp, server: &str) {
    app.accept(report("repo", server, "OUT_OF_SYNC", &["a.conf"]));
}

fn with_schedule(server: &str, promise: &Value) -> String {
    let mut body: Value = serde_json::from_str(&report("repo", server, "SYNCED", &[])).unwrap();
    body.as_object_mut().unwrap().extend(promise.as_object().unwrap().clone());
    body.to_string()
}

/// Returns the servers of the stored entries, without those whose end is recorded.
fn rows(app: &TestApp) -> Vec<String> {
    app.stored("select server from entries where expired_at is null order by server")
}

fn history(app: &TestApp) -> Vec<String> {
    app.stored("select event || ' ' || server from transitions order by id")
}

fn is_listed(app: &TestApp, server: &str) -> bool {
    !app.list(&format!("?server={server}")).is_empty()
}

fn is_stale(app: &TestApp, server: &str) -> bool {
    app.list(&format!("?server={server}"))[0]["stale"] == true
}

#[test]
fn an_entry_is_stale_after_two_hours_and_gone_after_fourteen_days() {
    let app = TestApp::spawn();
    post(&app, "s");
    app.advance(2 * HOUR - SECOND);
    // Once this update is answered, the writer has read the clock.
    post(&app, "other");
    assert!(!is_stale(&app, "s"));
    app.advance(SECOND);
    wait_until("it is stale", || is_stale(&app, "s"));
    assert_eq!(app.names("?stale=true"), ["repo/s"]);
    assert_eq!(app.names("?drifted=true").len(), 2, "a drift does not end by silence");
    app.advance(14 * DAY - 2 * HOUR - SECOND);
    post(&app, "other");
    assert!(is_listed(&app, "s"));
    app.advance(SECOND);
    wait_until("it is gone", || !is_listed(&app, "s"));
    assert_eq!(app.get("/health").json()["tracked_repos"], 1);
    wait_until("its end is recorded", || history(&app).contains(&"expired s".to_owned()));
    assert_eq!(rows(&app), ["other"]);
}

#[test]
fn any_update_makes_an_entry_fresh_again() {
    let app = TestApp::spawn();
    post(&app, "s");
    let since = app.list("")[0]["status_since"].clone();
    app.advance(3 * HOUR);
    wait_until("its silence is recorded", || history(&app).len() == 2);
    post(&app, "s");
    assert!(!is_stale(&app, "s"));
    assert_eq!(app.list("")[0]["status_since"], since, "its status is the same");
    assert_eq!(history(&app), ["first s", "stale s", "fresh s"]);
}

#[test]
fn a_reporter_may_send_its_own_schedule() {
    let app = TestApp::spawn();
    let start = app.clock.read().wall;
    let shown = |span: Duration| json!(start.plus(span).to_string());
    for (server, promise, expires_at) in [
        ("quick", json!({"stale_after_seconds": 10, "ttl_seconds": 20}), shown(20 * SECOND)),
        ("slow", json!({"stale_after_seconds": 30 * 86_400}), shown(60 * DAY)),
        ("usual", json!({"stale_after_seconds": null, "ttl_seconds": ""}), shown(14 * DAY)),
        ("patient", json!({"stale_after_seconds": 0}), Value::Null),
        ("eternal", json!({"ttl_seconds": 0}), Value::Null),
    ] {
        app.accept(with_schedule(server, &promise));
        assert_eq!(app.list(&format!("?server={server}"))[0]["expires_at"], expires_at);
    }
    app.advance(10 * SECOND);
    wait_until("quick is stale", || app.names("?stale=true") == ["repo/quick"]);
    app.advance(10 * SECOND);
    wait_until("quick is gone", || !is_listed(&app, "quick"));
    app.advance(3 * HOUR);
    wait_until("two are stale", || app.names("?stale=true") == ["repo/eternal", "repo/usual"]);
    app.advance(15 * DAY);
    let left = ["repo/eternal", "repo/patient", "repo/slow"];
    wait_until("three are left", || app.names("") == left);
    assert_eq!(app.names("?stale=true"), ["repo/eternal"], "never stale, so never expired");
}

#[test]
fn a_time_to_live_below_the_time_to_be_stale_does_not_hide_a_silence() {
    let app = TestApp::spawn();
    for (server, promise) in [
        ("own", json!({"stale_after_seconds": 3600, "ttl_seconds": 60})),
        ("with-default", json!({"ttl_seconds": 60})),
        ("never-stale", json!({"stale_after_seconds": 0, "ttl_seconds": 60})),
    ] {
        app.accept(with_schedule(server, &promise));
    }
    let app = app.restart_after(Duration::ZERO);
    app.advance(29 * SECOND);
    post(&app, "other");
    assert_eq!(app.names("?stale=true"), [""; 0]);
    app.advance(SECOND);
    let all = ["repo/never-stale", "repo/own", "repo/with-default"];
    wait_until("stored rows are stale after half of it", || app.names("?stale=true") == all);
    app.advance(30 * SECOND);
    wait_until("they are gone", || app.names("") == ["repo/other"]);
}

#[test]
fn a_clock_that_jumps_and_returns_destroys_nothing() {
    let app = TestApp::spawn();
    post(&app, "s");
    let before = app.list("");
    app.advance(HOUR);
    let wall = app.clock.read().wall;
    app.clock.set_wall(wall.plus(3650 * DAY));
    wait_until("it is hidden", || !is_listed(&app, "s"));
    app.advance(Duration::from_mins(9));
    post(&app, "other");
    assert_eq!(rows(&app), ["other", "s"]);
    app.clock.set_wall(wall.plus(Duration::from_mins(9)));
    wait_until("it is back", || is_listed(&app, "s"));
    assert_eq!(app.list("?server=s"), before);
    assert!(!history(&app).iter().any(|event| event.ends_with("ed s")), "{:?}", history(&app));
}

/// `CLOCK_JUMPS` says how often the clock is set.
#[test]
fn a_clock_that_is_set_by_days_again_and_again_under_load_loses_nothing() {
    const WRITERS: usize = 4;
    let jumps = env::var("CLOCK_JUMPS").map_or(12, |text| text.parse().unwrap());
    let app = TestApp::spawn();
    post(&app, "quiet");
    let before = app.list("?server=quiet");
    let (stored, is_over) = ([const { AtomicUsize::new(0) }; WRITERS], AtomicBool::new(false));
    let files = |number: usize| format!("file-{number}");
    thread::scope(|scope| {
        for (writer, stored) in stored.iter().enumerate() {
            let (client, is_over) = (app.client, &is_over);
            scope.spawn(move || {
                let name = format!("writer-{writer}");
                for number in 1.. {
                    client.accept(report("repo", &name, "OUT_OF_SYNC", &[&files(number)]));
                    stored.store(number, Ordering::SeqCst);
                    if is_over.load(Ordering::SeqCst) {
                        return;
                    }
                }
            });
        }
        let all = || stored.iter().map(|stored| stored.load(Ordering::SeqCst)).sum::<usize>();
        let (wall, mut random) = (app.clock.read().wall, Random::new(jumps));
        for _ in 0..jumps {
            let days = DAY * u32::try_from(random.below(60)).unwrap();
            let set = if random.per_mille(500) { wall.plus(days) } else { wall.minus(days) };
            app.clock.set_wall(set);
            let before = all();
            wait_until("updates are stored", || all() > before + 20);
        }
        app.clock.set_wall(wall);
        let last = stored.each_ref().map(|stored| stored.load(Ordering::SeqCst));
        let is_past =
            |(stored, last): (&AtomicUsize, usize)| stored.load(Ordering::SeqCst) > last + 1;
        wait_until("each writer has reported since", || stored.iter().zip(last).all(is_past));
        is_over.store(true, Ordering::SeqCst);
    });
    app.advance(Duration::from_mins(11));
    post(&app, "last");
    assert_eq!(app.list("?server=quiet"), before, "what was hidden for a while is back");
    for (writer, stored) in stored.iter().enumerate() {
        let number = stored.load(Ordering::SeqCst);
        let row = &app.list(&format!("?server=writer-{writer}"))[0];
        assert_eq!(row["files"][0]["name"], files(number));
        let changes = format!("changed writer-{writer}");
        let told = history(&app).iter().filter(|event| **event == changes).count();
        assert_eq!(told, number - 1, "each of them is in the history");
    }
    let ended = |event: &String| event.starts_with("expired") || event.starts_with("deleted");
    assert!(!history(&app).iter().any(ended), "nothing has ended");
    let updates: usize = stored.into_iter().map(AtomicUsize::into_inner).sum();
    eprintln!("the clock was set {jumps} times, {updates} updates");
}

#[test]
fn a_clock_that_stays_ahead_is_believed_after_ten_minutes() {
    let app = TestApp::spawn();
    post(&app, "s");
    app.clock.set_wall(app.clock.read().wall.plus(30 * DAY));
    wait_until("it is hidden", || !is_listed(&app, "s"));
    assert_eq!(rows(&app), ["s"]);
    app.advance(Duration::from_mins(10));
    wait_until("its end is recorded", || history(&app) == ["first s", "stale s", "expired s"]);
    assert_eq!(rows(&app), [""; 0]);
}

#[test]
fn an_update_from_the_future_does_not_live_for_ever() {
    let app = TestApp::spawn();
    let wall = app.clock.read().wall;
    app.clock.set_wall(wall.plus(3650 * DAY));
    post(&app, "s");
    app.clock.set_wall(wall);
    let expires_at = json!(wall.plus(14 * DAY).to_string());
    wait_until("it counts from now", || app.list("")[0]["expires_at"] == expires_at);
    let app = app.restart_after(Duration::ZERO);
    assert_eq!(app.list("")[0]["expires_at"], expires_at);
    app.advance(15 * DAY);
    wait_until("it is gone", || !is_listed(&app, "s"));
}

#[test]
fn an_update_from_the_future_that_fell_silent_stays_stale() {
    let app = TestApp::spawn();
    let wall = app.clock.read().wall;
    app.clock.set_wall(wall.plus(3650 * DAY));
    post(&app, "s");
    app.clock.set_wall(wall);
    let expires_at = json!(wall.plus(14 * DAY).to_string());
    wait_until("it counts from now", || app.list("")[0]["expires_at"] == expires_at);
    app.advance(3 * HOUR);
    wait_until("its silence is recorded", || history(&app).contains(&"stale s".to_owned()));
    // The next commit shows the entry after its silence was recorded.
    post(&app, "other");
    assert!(is_stale(&app, "s"));
    assert_eq!(app.list("?server=s")[0]["expires_at"], expires_at);
}

#[test]
fn a_silence_that_an_update_ends_before_it_could_be_stored_is_in_the_history() {
    let app = TestApp::spawn();
    let start = app.clock.read().wall;
    post(&app, "s");
    let away = app.take_database_away();
    wait_until("it is degraded", || app.get("/health").json()["status"] == "degraded");
    app.advance(3 * HOUR);
    wait_until("it is stale", || is_stale(&app, "s"));
    away.give_back();
    let update = report("repo", "s", "OUT_OF_SYNC", &["a.conf"]);
    wait_until("updates are taken again", || app.post(&update).status == 200);
    let rows = app.stored("select event || ' at ' || at from transitions order by id");
    let at = |span: Duration| start.plus(span).millis();
    let (first, silent, heard) = (at(Duration::ZERO), at(2 * HOUR), at(3 * HOUR));
    assert_eq!(
        rows,
        [format!("first at {first}"), format!("stale at {silent}"), format!("fresh at {heard}")]
    );
}

#[test]
fn an_entry_that_expired_while_the_server_was_down_is_hidden_and_may_come_back() {
    let app = TestApp::spawn();
    post(&app, "lost");
    post(&app, "found");
    let since = app.list("?server=found")[0]["status_since"].clone();
    let app = app.restart_after(20 * DAY);
    assert_eq!(app.names(""), [""; 0]);
    post(&app, "found");
    assert_eq!(app.list("")[0]["status_since"], since);
    app.advance(Duration::from_mins(10));
    wait_until("the end of the other is recorded", || {
        history(&app) == ["first lost", "first found", "stale lost", "expired lost"]
    });
    let app = app.restart_after(Duration::ZERO);
    assert_eq!(history(&app).len(), 4, "once");
}

#[test]
fn the_history_has_every_change_with_its_true_time() {
    let app = TestApp::spawn();
    let start = app.clock.read().wall;
    let files: Vec<String> = (0..150).map(|number| format!("f{number:03}")).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    app.accept(report("repo", "s", "SYNCED", &[]));
    app.accept(report("repo", "s", "SYNCED", &[]));
    app.accept(report("repo", "s", "OUT_OF_SYNC", &files));
    app.accept(report("repo", "s", "OUT_OF_SYNC", &["f000", "new"]));
    app.accept(report("repo", "s", "SYNCED", &[]));
    app.advance(5 * HOUR);
    wait_until("its silence is recorded", || history(&app).len() == 5);
    assert_eq!(app.send("DELETE", "/api/status?repo=repo&server=s", &[], b"").status, 200);
    let rows = app.stored(
        "select event || ' +' || files_added_count || '/' || json_array_length(files_added) \
         || ' -' || files_removed_count || '/' || json_array_length(files_removed) \
         || ' at ' || at from transitions order by id",
    );
    let at = |span: Duration| start.plus(span).millis();
    let (now, later, end) = (at(Duration::ZERO), at(2 * HOUR), at(5 * HOUR));
    assert_eq!(
        rows,
        [
            format!("first +0/0 -0/0 at {now}"),
            format!("drifted +150/100 -0/0 at {now}"),
            format!("changed +1/1 -149/100 at {now}"),
            format!("synced +0/0 -2/2 at {now}"),
            format!("stale +0/0 -0/0 at {later}"),
            format!("deleted +0/0 -0/0 at {end}"),
        ]
    );
}

#[test]
fn a_removed_entry_is_gone_and_comes_back_as_a_new_one() {
    let app = TestApp::spawn();
    post(&app, "s");
    let remove = || app.send("DELETE", "/api/status?repo=repo&server=s", &[], b"");
    let reply = remove();
    assert_eq!(reply.text(), r#"{"status":"ok","message":"Status removed"}"#);
    assert!(!is_listed(&app, "s"));
    assert!(remove().error(404).contains("no entry"));
    for query in
        ["?repo=repo", "?server=s", "", "?repo=repo&server=s&repo=x", "?repo=a&server=b&x=1"]
    {
        app.send("DELETE", &format!("/api/status{query}"), &[], b"").error(400);
    }
    post(&app, "s");
    assert_eq!(history(&app), ["first s", "deleted s", "first s"]);
}
