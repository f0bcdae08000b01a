//! Since when an entry is drifted: as updates come, and in databases of older versions.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::Value;

use crate::support::{OLDER, Process, TestApp, report, run_sql, stored, wait_until};

const OLD_DATABASE: &str = include_str!("drifts/before_0004.sql");
/// The entries of the old database are some months old.
const KEEP: [&str; 4] = ["--stale-after", "0", "--ttl", "0"];

/// Sends an update of an entry, and returns its row.
fn update(app: &TestApp, server: &str, status: &str, count: usize) -> Value {
    let mut body: Value =
        serde_json::from_str(&report("repo", server, status, &["a.conf"])).unwrap();
    body["drift_count"] = count.into();
    app.accept(body.to_string());
    app.list(&format!("?server={server}")).remove(0)
}

/// Returns the drifted entries by name, with the time since when they are drifted.
fn drifts(rows: &[Value]) -> Vec<(&str, &str)> {
    let rows = rows.iter().filter(|row| row["drifted_since"].is_string());
    rows.map(|row| (row["server"].as_str().unwrap(), row["drifted_since"].as_str().unwrap()))
        .collect()
}

#[test]
fn a_drift_begins_with_a_status_or_a_count_and_ends_when_both_are_gone() {
    let app = TestApp::spawn();
    let mut began = Value::Null;
    for (status, count, what) in [
        ("SYNCED", 0, "none"),
        ("SYNCED", 3, "begins"),
        ("SYNCED", 1, "goes on"),
        ("OUT_OF_SYNC", 1, "goes on"),
        ("OUT_OF_SYNC", 0, "goes on"),
        ("OUT_OF_SYNC", 0, "goes on"),
        ("SYNCED", 2, "goes on"),
        ("SYNCED", 0, "none"),
        ("OUT_OF_SYNC", 0, "begins"),
        ("SYNCED", 0, "none"),
    ] {
        app.advance(Duration::from_mins(1));
        let row = update(&app, "s", status, count);
        match what {
            "begins" => began = row["updated_at"].clone(),
            "none" => began = Value::Null,
            _ => {}
        }
        assert_eq!(row["drifted_since"], began, "{status} {count}");
    }
    assert!(app.send("DELETE", "/api/status?repo=repo&server=s", &[], b"").status == 200);
    app.advance(Duration::from_mins(1));
    let row = update(&app, "s", "SYNCED", 1);
    assert_eq!(row["drifted_since"], row["updated_at"], "a first report can be a drift");
}

#[test]
fn silence_and_a_restart_do_not_end_a_drift() {
    let app = TestApp::spawn();
    update(&app, "s", "SYNCED", 0);
    app.advance(Duration::from_mins(1));
    let began = update(&app, "s", "SYNCED", 1)["drifted_since"].clone();
    app.advance(Duration::from_hours(3));
    wait_until("it is stale", || app.names("?stale=true").len() == 1);
    assert_eq!(app.list("")[0]["drifted_since"], began);
    let app = app.restart_after(Duration::from_mins(1));
    assert_eq!(app.list("")[0]["drifted_since"], began);
    let row = update(&app, "s", "OUT_OF_SYNC", 1);
    assert_eq!((&row["drifted_since"], &row["stale"]), (&began, &false.into()));
}

#[test]
fn the_age_of_a_drift_by_count_is_that_of_the_count() {
    let app = TestApp::spawn();
    update(&app, "by-count", "SYNCED", 0);
    app.advance(Duration::from_hours(1));
    let by_status = update(&app, "by-status", "OUT_OF_SYNC", 1)["drifted_since"].clone();
    app.advance(Duration::from_secs(1));
    let by_count = update(&app, "by-count", "SYNCED", 1);
    assert!(by_count["status_since"].as_str() < by_status.as_str());
    assert_eq!(app.get("/api/summary").json()["drifted_since"], by_status, "it is the oldest");
    assert_eq!(app.get("/api/files").json()[0]["since"], by_status);
    let metrics = app.get("/metrics").text();
    let series = "gitops_status_since_timestamp_seconds{repo=\"repo\",server=\"by-count\"}";
    assert!(metrics.contains(&format!("{series} 1776771136.000\n")), "{metrics}");
    let page = app.get("/").text();
    let place = |server: &str| page.find(&format!("<bdi>{server}</bdi>")).unwrap();
    assert!(place("by-status") < place("by-count"), "the oldest drift comes first");
    let since = format!("datetime=\"{}\"", by_count["drifted_since"].as_str().unwrap());
    assert!(page.contains(&since), "{page}");
    update(&app, "synced", "SYNCED", 0);
    for (sort, order) in [
        ("status_since", ["by-status", "by-count", "synced"]),
        ("-status_since", ["by-count", "synced", "by-status"]),
    ] {
        let page = app.get(&format!("/?sort={sort}")).text();
        let place = |server: &str| page.find(&format!("<bdi>{server}</bdi>")).unwrap();
        assert!(order.map(place).is_sorted(), "{sort} sorts by the time that the page shows");
        let sorted = if sort.starts_with('-') { "descending" } else { "ascending" };
        assert!(page.contains(&format!("aria-sort=\"{sorted}\"")), "{page}");
    }
    let entry = app.get("/entry?repo=repo&server=by-count").text();
    assert!(entry.contains(&since), "{entry}");
}

#[test]
fn entries_that_are_not_drifted_come_last_in_both_directions() {
    let app = TestApp::spawn();
    for (server, status) in [("a", "SYNCED"), ("b", "OUT_OF_SYNC"), ("c", "OUT_OF_SYNC")] {
        app.advance(Duration::from_secs(1));
        update(&app, server, status, 0);
    }
    assert_eq!(app.names("?sort=drifted_since"), ["repo/b", "repo/c", "repo/a"]);
    assert_eq!(app.names("?flat=true&sort=-drifted_since"), ["repo/c", "repo/b", "repo/a"]);
    let text = app.get("/status.csv?sort=-drifted_since&fields=server,drifted_since").text();
    let rows = "server,drifted_since\r\nc,2026-04-21T10:32:18.000Z\r\n\
                b,2026-04-21T10:32:17.000Z\r\na,\r\n";
    assert_eq!(text, rows);
}

#[test]
fn an_older_database_learns_since_when_its_entries_are_drifted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("status.db");
    run_sql(&path, OLD_DATABASE);
    let expected = [
        ("by-count", "2026-04-21T10:33:15.000Z"),
        // Then it was OUT_OF_SYNC, and now it is SYNCED with a count.
        ("by-count-then-status", "2026-04-21T10:33:15.000Z"),
        ("by-status", "2026-04-21T10:33:15.000Z"),
        ("deleted-and-back", "2026-04-21T10:34:15.000Z"),
        ("expired-and-back", "2026-04-21T10:34:15.000Z"),
        ("first-report", "2026-04-21T10:32:15.000Z"),
        ("in-turns", "2026-04-21T10:34:15.000Z"),
        ("seen-again", "2026-04-21T10:32:15.000Z"),
        ("silent", "2026-04-21T10:33:15.000Z"),
    ];
    for what in ["migrated", "started again"] {
        let mut server = Process::start(&path, &KEEP);
        let rows = server.list("");
        assert_eq!((rows.len(), drifts(&rows)), (12, expected.to_vec()));
        let is_said = server.log().contains("The database is of an older version and is brought");
        assert_eq!(is_said, what == "migrated", "{what}: {}", server.log());
        assert_eq!(server.terminate().code(), Some(0));
    }
}

#[test]
fn a_drift_that_is_older_than_the_history_is_as_old_as_anything_known_of_it() {
    for (forget, by_count, by_count_then_status, by_status) in [
        ("delete from transitions where id <= 23", "10:34:15", "10:34:15", "10:33:15"),
        ("delete from transitions", "10:34:15", "10:35:15", "10:33:15"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("status.db");
        run_sql(&path, OLD_DATABASE);
        run_sql(&path, forget);
        let server = Process::start(&path, &KEEP);
        let rows = server.list("?server=by-*");
        let expected = [by_count, by_count_then_status, by_status]
            .map(|time| format!("2026-04-21T{time}.000Z"));
        let found: Vec<&str> = drifts(&rows).into_iter().map(|(_, since)| since).collect();
        assert_eq!(found, expected, "{forget}");
    }
}

/// What happens to entries: an update by its status and its count, a deletion, or time that passes.
#[derive(Clone, Debug)]
enum Step {
    Update(&'static str, &'static str, usize),
    Delete(&'static str),
    Wait(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    let server = || prop::sample::select(vec!["a", "b", "c"]);
    let status = prop::sample::select(vec!["SYNCED", "OUT_OF_SYNC"]);
    prop_oneof![
        8 => (server(), status, 0..3_usize).prop_map(|(server, status, count)| {
            Step::Update(server, status, count.saturating_sub(1))
        }),
        1 => server().prop_map(Step::Delete),
        2 => (1..40_u64).prop_map(Step::Wait),
    ]
}

/// An older version has noted nothing, so that its whole history has to tell the same.
#[test]
fn the_history_tells_the_same_as_what_was_noted_meanwhile() {
    let steps = prop::collection::vec(any_step(), 60);
    let config = ProptestConfig { cases: 6, failure_persistence: None, ..Default::default() };
    let outcome = TestRunner::new(config).run(&steps, |steps| {
        let app = TestApp::with(|config| {
            config.stale_after = Some(Duration::from_mins(20));
            config.ttl = Some(Duration::from_hours(1));
        });
        for step in steps {
            match step {
                Step::Update(server, status, count) => drop(update(&app, server, status, count)),
                Step::Delete(server) => {
                    let target = format!("/api/status?repo=repo&server={server}");
                    app.send("DELETE", &target, &[], b"");
                }
                Step::Wait(minutes) => app.advance(Duration::from_mins(minutes)),
            }
        }
        update(&app, "last", "OUT_OF_SYNC", 1);
        let noted = app.list("");
        let path = app.database();
        let app = app.restart_with(|_| run_sql(&path, OLDER));
        prop_assert_eq!(app.list(""), noted);
        let columns = stored(&path, "select count(drifted_since) || '' from entries");
        prop_assert_ne!(&columns, &["0"]);
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn a_stored_drift_without_a_beginning_begins_at_the_earliest_moment_that_is_known() {
    let app = TestApp::spawn();
    for (server, status, count) in
        [("count", "SYNCED", 1), ("status", "OUT_OF_SYNC", 1), ("synced", "SYNCED", 0)]
    {
        app.advance(Duration::from_mins(1));
        update(&app, server, status, count);
    }
    app.advance(Duration::from_mins(1));
    update(&app, "status", "OUT_OF_SYNC", 2);
    let path = app.database();
    let app = app.restart_with(|_| run_sql(&path, "update entries set drifted_since = null"));
    let rows = app.list("");
    let known = [("count", "updated_at"), ("status", "status_since")];
    let expected = known.map(|(server, field)| {
        let row = rows.iter().find(|row| row["server"] == server).unwrap();
        (server, row[field].as_str().unwrap())
    });
    assert_eq!(drifts(&rows), expected);
    assert!(!app.get("/metrics").text().contains("9223372036854"), "no moment that never comes");
}
