//! What an old backup or export held expires a time to live after it was restored, and not at once.

use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use gitops_status_server::clock::{Clock, SystemClock};
use gitops_status_server::domain::{ReportedTime, SETTLING_TIME, Timestamp};
use tempfile::TempDir;

use crate::support::dashboards::repository;
use crate::support::{
    PostgresDatabase, TestApp, database_url, report, run_sql, run_tool, stored, wait_until,
};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
/// The default.
const TTL: Duration = Duration::from_hours(14 * 24);

/// Makes a database that was used half a year ago for the last time.
fn fill(url: &str) {
    let app = TestApp::with(|config| config.database_url = database_url(url));
    app.accept(report("repo", "silent", "SYNCED", &[]));
    app.accept(report("repo", "comes-back", "OUT_OF_SYNC", &["a.conf"]));
}

fn url_of(path: &Path) -> String {
    format!("sqlite://{}", path.display())
}

fn old_file() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.db");
    fill(&url_of(&path));
    (folder, path)
}

fn succeed(words: &[&str], url: &str, folder: &Path) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gitops-status-server"));
    command.env_clear().current_dir(folder).args(words).args(["--database-url", url]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Returns when some work was done, which restores a database.
fn while_doing(work: impl FnOnce()) -> RangeInclusive<Timestamp> {
    let now = || SystemClock::start().read().wall;
    let began = now();
    work();
    began..=now()
}

fn expiry(app: &TestApp) -> Vec<Timestamp> {
    let rows = app.list("?fields=expires_at");
    let times = rows.iter().map(|row| row["expires_at"].as_str().unwrap());
    times.map(|text| ReportedTime::parse(text).unwrap().to_the_millisecond()).collect()
}

/// Starts the server on a database that was just restored, and lets a time to live pass.
fn check(url: &str, restored: &RangeInclusive<Timestamp>) {
    let app = TestApp::replica_ahead(url, Duration::ZERO);
    let both = ["repo/comes-back", "repo/silent"];
    assert_eq!(app.names("?stale=true"), both);
    for at in expiry(&app) {
        assert!(restored.contains(&at.minus(TTL)), "{at} is not a time to live after {restored:?}");
    }
    let app = app.restart_after(7 * DAY);
    assert_eq!(app.names("?stale=true"), both);
    app.accept(report("repo", "comes-back", "SYNCED", &[]));
    app.advance(7 * DAY - HOUR);
    app.accept(report("repo", "witness", "SYNCED", &[]));
    assert_eq!(app.names("?server=silent"), ["repo/silent"]);
    app.advance(HOUR);
    wait_until("the silent one has expired", || app.names("?server=silent").is_empty());
    assert_eq!(app.names("?server=comes-back"), ["repo/comes-back"], "a report has saved it");
}

#[test]
fn what_an_old_backup_held_is_shown_stale_and_expires_a_time_to_live_after_the_restore() {
    let (folder, path) = old_file();
    succeed(&["backup", "copy.db"], &url_of(&path), folder.path());
    let url = url_of(&folder.path().join("restored.db"));
    let restored = while_doing(|| succeed(&["restore", "copy.db"], &url, folder.path()));
    check(&url, &restored);
}

#[test]
fn what_an_old_export_held_is_shown_stale_and_expires_a_time_to_live_after_the_import() {
    let (folder, path) = old_file();
    succeed(&["export", "old.jsonl"], &url_of(&path), folder.path());
    let database = PostgresDatabase::create();
    for url in [url_of(&folder.path().join("imported.db")), database.url()] {
        let imported = while_doing(|| succeed(&["import", "old.jsonl"], &url, folder.path()));
        check(&url, &imported);
    }
}

#[test]
fn replicas_agree_when_an_import_expires() {
    let (folder, path) = old_file();
    succeed(&["export", "old.jsonl"], &url_of(&path), folder.path());
    let database = PostgresDatabase::create();
    succeed(&["import", "old.jsonl"], &database.url(), folder.path());
    let [one, other] =
        [0, 3].map(|ahead| TestApp::replica_ahead(&database.url(), Duration::from_secs(ahead)));
    assert_eq!(expiry(&one), expiry(&other));
}

/// What the document says to do after PostgreSQL's own tools have restored a database.
fn statement() -> String {
    let document = fs::read_to_string(repository("docs/scale.md")).unwrap();
    let (_, chapter) = document.split_once("## Back up the database\n").unwrap();
    let (_, block) = chapter.split_once("```sql\n").unwrap();
    block.split("```").next().unwrap().to_owned()
}

#[test]
fn an_old_dump_is_shown_stale_and_expires_a_time_to_live_after_it_was_said_to_be_restored() {
    let [old, restored] = [PostgresDatabase::create(), PostgresDatabase::create()];
    fill(&old.url());
    let dump = run_tool("pg_dump", "postgresql", &[&old.url()], "");
    let to = ["--quiet", "--set=ON_ERROR_STOP=1", &restored.url()];
    let at = while_doing(|| {
        run_tool("psql", "postgresql", &to, &dump);
        run_tool("psql", "postgresql", &to, &statement());
    });
    let id = |database: &PostgresDatabase| database.stored("select store_id from meta");
    assert_ne!(id(&old), id(&restored));
    check(&restored.url(), &at);
}

/// Checks that a time to live begins with the first start after a restore by a clock that was ahead, and
/// not anew with each.
fn check_restored_in_the_future(url: &str, restored_at: impl Fn() -> Vec<String>) {
    let app = TestApp::replica_ahead(url, Duration::ZERO);
    let (first, wrong) = (expiry(&app), restored_at());
    assert_eq!(app.names("?stale=true").len(), 2);
    app.advance(SETTLING_TIME);
    wait_until("the clock is believed", || restored_at() != wrong);
    let app = app.restart_after(TTL / 2);
    assert_eq!(expiry(&app), first);
    app.advance(TTL / 2);
    wait_until("they have expired", || app.names("").is_empty());
}

#[test]
fn a_restore_by_a_clock_that_was_ahead_keeps_nothing_for_ever() {
    let (folder, path) = old_file();
    let file = folder.path().join("restored.db");
    succeed(&["restore", "old.db"], &url_of(&file), folder.path());
    run_sql(&file, "update meta set restored_at = restored_at + 3155760000000");
    check_restored_in_the_future(&url_of(&file), || {
        stored(&file, "select cast(restored_at as text) from meta")
    });
    let database = PostgresDatabase::create();
    succeed(&["export", "old.jsonl"], &url_of(&path), folder.path());
    succeed(&["import", "old.jsonl"], &database.url(), folder.path());
    database.stored("update meta set restored_at = restored_at + 3155760000000 returning store_id");
    check_restored_in_the_future(&database.url(), || {
        database.stored("select restored_at::text from meta")
    });
}

#[test]
fn a_clock_that_is_behind_for_long_after_a_restore_changes_no_expiry() {
    let (folder, _) = old_file();
    let restored = folder.path().join("restored.db");
    succeed(&["restore", "old.db"], &url_of(&restored), folder.path());
    let noted = || stored(&restored, "select cast(restored_at as text) from meta");
    let before = noted();
    let behind = Timestamp::from_millis(0);
    let app = TestApp::on(&url_of(&restored), behind, |_| {});
    let silences = || {
        let history = app.get("/api/history?server=witness").json();
        history["items"].as_array().unwrap().iter().filter(|item| item["event"] == "stale").count()
    };
    // Between two of these, the writer has done everything that is due once the clock is believed.
    for count in 1..=2 {
        app.accept(report("repo", "witness", "SYNCED", &[]));
        app.advance(DAY);
        wait_until("the clock is believed", || silences() == count);
    }
    assert_eq!(noted(), before);
}

#[test]
fn a_clock_that_jumps_back_and_returns_leaves_the_expiry_as_it_was() {
    let (folder, _) = old_file();
    let restored = folder.path().join("restored.db");
    succeed(&["restore", "old.db"], &url_of(&restored), folder.path());
    let app = TestApp::replica_ahead(&url_of(&restored), Duration::ZERO);
    let before = expiry(&app);
    let year = 365 * DAY;
    app.clock.set_wall(app.clock.read().wall.minus(year));
    wait_until("a restore in the future counts as now", || {
        expiry(&app).iter().all(|at| *at < before[0].minus(year / 2))
    });
    app.clock.set_wall(app.clock.read().wall.plus(year));
    wait_until("it is as it was", || expiry(&app) == before);
}
