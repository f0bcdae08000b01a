//! Databases of every earlier schema are upgraded at the start, as a whole or not at all.
//!
//! `schemas` has an example of each: a database that a program of its time has written, which was told
//! what `story.rs` tells. `migrations/README.md` says how the next one is made.

mod alerts;
mod examples;
mod failing;
mod story;

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use gitops_status_server::domain::ReportedTime;
use serde_json::Value;

use crate::support::{Process, TestApp, report};
use examples::{Database, Example, Kind};
use story::{ENDS, tell};

/// The upgrade takes place after an outage that is longer than `stale_after`.
const OUTAGE: Duration = Duration::from_hours(3);

/// Every transition, with the columns that all schemas have.
const TRANSITIONS: &str = "select at || '|' || repo || '|' || server || '|' || event || '|' || sync_status \
     || '|' || drift_count || '|' || files_added || '|' || files_added_count || '|' || files_removed \
     || '|' || files_removed_count || '|' || coalesce(report_revision, '') || '|' || coalesce(url, '') \
     from transitions order by at desc, id desc";
const OUTAGES: &str = "select began || '-' || ended from outages";
const STORE_ID: &str = "select store_id from meta";

/// Starts this version on an example, after the outage.
fn upgraded(database: &Database) -> TestApp {
    TestApp::on(&database.url(), ENDS.plus(OUTAGE), |_| {})
}

/// Tells this version the story in a new database.
fn told(kind: Kind) -> (Database, TestApp) {
    let database = Database::create(kind);
    let app = tell(&database);
    (database, app)
}

/// Returns what the API says of the history, in the words of [`TRANSITIONS`].
fn history(app: &TestApp) -> Vec<String> {
    let answer = app.get("/api/history?limit=10000").json();
    assert_eq!(answer["next"], Value::Null);
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let names = |value: &Value| {
        let names: Vec<_> = value.as_array().unwrap().iter().map(|it| &it["name"]).collect();
        serde_json::to_string(&names).unwrap()
    };
    let in_words = |item: &Value| {
        let at = ReportedTime::parse(&word(&item["time"])).unwrap().to_the_millisecond();
        let words = [
            at.millis().to_string(),
            word(&item["repo"]),
            word(&item["server"]),
            word(&item["event"]),
            word(&item["sync_status"]),
            item["drift_count"].to_string(),
            names(&item["files_added"]),
            item["files_added_count"].to_string(),
            names(&item["files_removed"]),
            item["files_removed_count"].to_string(),
            word(&item["revision"]),
            word(&item["url"]),
        ];
        words.join("|")
    };
    answer["items"].as_array().unwrap().iter().map(in_words).collect()
}

fn upgrades_keep_everything(kind: Kind) {
    let (_home, app) = told(kind);
    let expected = app.restart_after(OUTAGE).list("");
    assert_eq!(expected.len(), story::ENTRIES);
    for example in Example::all(kind) {
        let database = example.load();
        // PostgreSQL writes arrays with spaces.
        let transitions = database.stored(TRANSITIONS).into_iter();
        let transitions: Vec<_> = transitions.map(|it| it.replace("\", \"", "\",\"")).collect();
        let outages = database.stored_if_there("outages", OUTAGES);
        let store_id = database.stored(STORE_ID);
        let app = upgraded(&database);
        assert_eq!(app.list(""), expected, "{example}");
        assert_eq!(history(&app), transitions, "{example}");
        assert!(transitions.len() > 10 && store_id[0].len() == 32, "{example}: {store_id:?}");
        app.accept(report("later", "one", "OUT_OF_SYNC", &["a.conf"]));
        let app = app.restart_after(Duration::ZERO);
        assert_eq!(app.list("").len(), expected.len() + 1, "{example}");
        assert_eq!(app.get("/health").json()["status"], "healthy", "{example}");
        assert_eq!(database.stored(STORE_ID), store_id, "{example}");
        let kept: BTreeSet<_> = database.stored(OUTAGES).into_iter().collect();
        assert!(outages.iter().all(|outage| kept.contains(outage)), "{example}: {kept:?}");
        assert!(
            kept.iter().any(|outage| outage.starts_with(&story::last_update())),
            "{example}: {kept:?}"
        );
    }
}

#[test]
fn a_file_of_every_earlier_schema_is_upgraded_and_nothing_is_lost() {
    upgrades_keep_everything(Kind::Sqlite);
}

#[test]
fn a_postgresql_database_of_every_earlier_schema_is_upgraded_and_nothing_is_lost() {
    upgrades_keep_everything(Kind::Postgres);
}

/// The next migration is tested on a database of the schema before it only if somebody has kept one.
#[test]
fn every_schema_has_an_example() {
    let written = [Kind::Sqlite, Kind::Postgres].map(|kind| {
        let (database, app) = told(kind);
        let written = examples::write_present(&database, kind);
        drop(app);
        (kind, written)
    });
    for (kind, written) in written {
        let kept: Vec<_> = Example::all(kind).map(|example| example.number).collect();
        assert_eq!(kept, kind.migrations(), "the example of this schema is {}", written.display());
    }
}

#[test]
fn a_backup_of_every_earlier_schema_is_restored_and_upgraded() {
    for example in Example::all(Kind::Sqlite) {
        let database = Database::create(Kind::Sqlite);
        let backup = database.path().with_extension("backup");
        example.write(&backup);
        let backup = backup.to_str().unwrap();
        for words in [["check", backup], ["restore", backup]] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_gitops-status-server"));
            command.env_clear().args(words).args(["--database-url", &database.url()]);
            let (status, said) = Process::run_to_end(&mut command);
            assert_eq!(status.code(), Some(0), "{example}: {words:?}: {said}");
        }
        let app = upgraded(&database);
        assert_eq!(app.list("").len(), story::ENTRIES, "{example}");
    }
}

#[test]
fn an_upgrade_is_said_first_and_only_once() {
    for example in Example::all(Kind::Sqlite) {
        let database = example.load();
        for is_upgraded in [!example.is_present(), false] {
            let mut server = Process::start(database.path(), &["--stale-after=0", "--ttl=0"]);
            let says = server.log().contains("The database is of an older version and is brought");
            assert_eq!(says, is_upgraded, "{example}: {}", server.log());
            assert_eq!(server.terminate().code(), Some(0), "{example}");
        }
    }
}
