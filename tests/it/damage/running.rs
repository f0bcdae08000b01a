//! Damage that is found while the program runs.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::{corrupt_page, zero_page};
use crate::support::{TestApp, report, run_sql, sqlite_file, wait_until};

const PARTS: [&str; 4] = ["entries", "history", "history_index", "other"];

/// Starts an application on a database that was damaged. It has some thousand transitions, so that
/// each tree of the history has pages other than its first and last.
fn with_history(damage: impl FnOnce(&Path)) -> TestApp {
    let app = TestApp::spawn();
    app.accept(report("repo", "server", "OUT_OF_SYNC", &["a.conf"]));
    app.restart_with(|config| {
        let path = sqlite_file(config);
        run_sql(
            &path,
            "insert into transitions (at, revision, repo, server, event, sync_status, drift_count, \
                 files_added, files_added_count, files_removed, files_removed_count) \
             with recursive number (n) as (select 1 union all select n + 1 from number where n < 6000) \
             select 1700000000000 + n, 1, 'repo', 'server-' || (n % 50), 'changed', 'OUT_OF_SYNC', 1, \
                 '[\"file.conf\"]', 1, '[]', 0 from number",
        );
        damage(&path);
    })
}

/// Starts the first check, and waits for its end.
fn check(app: &TestApp) {
    app.advance(Duration::from_secs(15));
    wait_until("the check is done", || checked(app).is_some());
}

fn gauge(app: &TestApp, name: &str) -> Option<String> {
    let metrics = app.get("/metrics").text();
    let line = metrics
        .lines()
        .find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
    line.map(|line| line.rsplit(' ').next().unwrap().to_owned())
}

fn checked(app: &TestApp) -> Option<String> {
    gauge(app, "gitops_status_database_checked_timestamp_seconds").filter(|time| time != "0")
}

fn damaged(app: &TestApp) -> Vec<&'static str> {
    let is_damaged = |part: &&str| {
        let series = format!("gitops_status_database_damaged{{part=\"{part}\"}}");
        gauge(app, &series).unwrap() == "1"
    };
    PARTS.into_iter().filter(is_damaged).collect()
}

fn health(app: &TestApp) -> Value {
    let reply = app.get("/health");
    assert_eq!(reply.status, 200, "a restart would not help");
    reply.json()
}

/// Asserts that updates are stored, which do not need the damaged part.
fn assert_updates_go_on(app: &TestApp) {
    app.accept(report("other", "server", "OUT_OF_SYNC", &["a"]));
    app.accept(report("other", "server", "SYNCED", &[]));
}

fn assert_degraded(app: &TestApp, part: &'static str, message: &str) {
    check(app);
    assert_eq!(damaged(app), [part]);
    let health = health(app);
    assert_eq!(health["status"], "degraded");
    let said = health["message"].as_str().unwrap();
    assert!(said.contains(message) && said.contains("updates go on"), "{said}");
    assert_updates_go_on(app);
    assert_eq!(self::health(app)["status"], "degraded", "also after an update that was stored");
}

#[test]
fn a_sound_database_is_checked_soon_after_the_start_and_daily() {
    let app = with_history(|_| {});
    assert_eq!(checked(&app), None);
    check(&app);
    assert!(damaged(&app).is_empty());
    assert_eq!(health(&app)["status"], "healthy");
    let first = checked(&app);
    app.advance(Duration::from_hours(24));
    wait_until("the check has run again", || checked(&app) != first);
}

#[test]
fn updates_and_deletions_during_a_check_are_no_damage() {
    let app = with_history(|_| {});
    app.advance(Duration::from_secs(15));
    for number in 0..100 {
        app.accept(report("repo", &format!("server-{number}"), "SYNCED", &[]));
        app.accept(report("repo", "server", ["SYNCED", "OUT_OF_SYNC"][number % 2], &[]));
        let target = format!("/api/status?repo=repo&server=server-{number}");
        assert_eq!(app.send("DELETE", &target, &[], b"").status, 200);
    }
    wait_until("the check is done", || checked(&app).is_some());
    assert!(damaged(&app).is_empty());
}

#[test]
fn a_lost_page_of_the_history_is_found() {
    let app = with_history(|path| zero_page(path, LEAF_OF_HISTORY));
    assert_degraded(&app, "history", "The history is damaged");
}

#[test]
fn a_lost_page_of_an_index_is_found_and_distinguished_from_the_history() {
    for leaf in [LEAF_BY_TIME, LEAF_BY_STATE] {
        let app = with_history(|path| zero_page(path, leaf));
        assert_degraded(&app, "history_index", "The indexes of the history do not match it");
    }
}

#[test]
fn an_index_that_lacks_a_row_is_found() {
    // SQLite itself sees nothing: each page is well-formed.
    for index in INDEXES {
        let app = with_history(|path| {
            run_sql(path, index.without_a_row);
            run_sql(path, "reindex transitions");
            run_sql(path, index.with_all);
        });
        assert_degraded(&app, "history_index", "The indexes of the history do not match it");
    }
}

#[test]
fn an_index_entry_without_a_row_is_found() {
    for index in INDEXES {
        let app = with_history(|path| {
            run_sql(path, index.without_a_row);
            run_sql(path, "delete from transitions where id = 3000");
            run_sql(path, index.with_all);
        });
        assert_degraded(&app, "history_index", "The indexes of the history do not match it");
    }
}

#[test]
fn a_flipped_bit_in_a_name_is_found_if_an_index_contains_the_name() {
    for leaf in [LEAF_OF_HISTORY, LEAF_BY_STATE] {
        let app = with_history(|path| {
            corrupt_page(path, leaf, |page| {
                // The last occurrence: the first may be left over from when the page was split.
                let name = page.windows(7).rposition(|bytes| bytes == b"server-").unwrap();
                page[name + 7] ^= 1;
            });
        });
        assert_degraded(&app, "history_index", "The indexes of the history do not match it");
    }
}

#[test]
fn a_row_that_the_program_cannot_have_written_is_found() {
    let app = with_history(|path| {
        run_sql(path, "update transitions set event = 'changee' where id = 3000");
    });
    assert_degraded(&app, "history", "The history is damaged");
}

#[test]
fn damage_that_is_gone_is_no_longer_reported() {
    let app = with_history(|path| {
        run_sql(path, "update transitions set event = 'changee' where id = 3000");
    });
    assert_degraded(&app, "history", "The history is damaged");
    run_sql(&app.database(), "update transitions set event = 'changed' where id = 3000");
    app.advance(Duration::from_hours(24));
    wait_until("it is healthy again", || health(&app)["status"] == "healthy");
    assert!(damaged(&app).is_empty());
}

#[test]
fn damage_to_the_stored_entries_is_found_while_they_are_served_from_memory() {
    let app = with_history(|_| {});
    run_sql(&app.database(), "update entries set last_check = 'yesterday'");
    assert_degraded(&app, "entries", "The stored entries are damaged");
    assert_eq!(app.list("?repo=repo&server=server").len(), 1);
}

const LEAF_OF_HISTORY: &str = "select pageno || '' from dbstat where name = 'transitions' \
    and pagetype = 'leaf' order by path limit 1 offset 20";
const LEAF_BY_TIME: &str = "select pageno || '' from dbstat where name = 'transitions_by_time' \
    and pagetype = 'leaf' order by path limit 1 offset 5";
const LEAF_BY_STATE: &str = "select pageno || '' from dbstat where name = 'transitions_by_state' \
    and pagetype = 'leaf' order by path limit 1 offset 20";

/// Makes an index ignore row 3000, and restores the definition of a whole index.
struct Index {
    without_a_row: &'static str,
    with_all: &'static str,
}

const INDEXES: [Index; 2] = [
    Index {
        without_a_row: "pragma writable_schema = on; update sqlite_schema set sql = \
            'create index transitions_by_time on transitions (at) where id <> 3000' \
            where name = 'transitions_by_time'",
        with_all: "pragma writable_schema = on; update sqlite_schema set sql = \
            'create index transitions_by_time on transitions (at)' \
            where name = 'transitions_by_time'",
    },
    Index {
        without_a_row: "pragma writable_schema = on; update sqlite_schema set sql = \
            'create index transitions_by_state on transitions (repo, server, state, at) \
                where id <> 3000' \
            where name = 'transitions_by_state'",
        with_all: "pragma writable_schema = on; update sqlite_schema set sql = \
            'create index transitions_by_state on transitions (repo, server, state, at)' \
            where name = 'transitions_by_state'",
    },
];
