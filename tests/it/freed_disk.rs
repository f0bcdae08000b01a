//! Disk space that the database no longer needs is given back.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::disk::SmallDisk;
use crate::support::{Process, eventually, report, run_sql, stored, wait_until};

const NO_ARGUMENTS: &[&str] = &[];
/// The free space that the program keeps, plus the size of an almost empty database.
const SMALL: u64 = 5_000_000;

/// Makes a database that holds an entry.
fn database() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("status.db");
    let mut server = Process::start(&path, NO_ARGUMENTS);
    server.accept(report("repo", "server", "SYNCED", &["a"]));
    assert_eq!(server.terminate().code(), Some(0));
    (folder, path)
}

/// Fills a database and deletes its rows, as the history does over months.
fn free_pages_of(path: &Path) {
    run_sql(
        path,
        "create table ballast (content blob); \
         with recursive number (n) as (select 1 union all select n + 1 from number where n < 20) \
         insert into ballast select randomblob(1000000) from number; \
         drop table ballast",
    );
    assert!(bytes(path) > 4 * SMALL);
}

fn bytes(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}

/// Returns the bytes that the metrics show as free, unless a measurement takes long.
fn reusable_bytes(server: &Process) -> Option<u64> {
    let text = server.get("/metrics").text();
    let name = "gitops_status_database_reusable_bytes ";
    Some(text.lines().find_map(|line| line.strip_prefix(name))?.parse().unwrap())
}

#[test]
fn a_new_database_shrinks_when_its_rows_are_deleted() {
    let (_folder, path) = database();
    free_pages_of(&path);
    let server = Process::start(&path, NO_ARGUMENTS);
    wait_until("the metric shows the free pages", || {
        reusable_bytes(&server).is_some_and(|bytes| bytes > 0)
    });
    // 128 pages go at a time: that takes seven seconds or more.
    let has_shrunk = || (bytes(&path) < SMALL).then_some(()).ok_or("the file does not shrink");
    eventually(Duration::from_mins(1), has_shrunk).unwrap();
    let is_small = |bytes| bytes < SMALL;
    wait_until("the metric falls", || reusable_bytes(&server).is_some_and(is_small));
    assert_eq!(server.names(""), ["repo/server"]);
}

/// Makes a database of an earlier version, which keeps its free pages, with some of them.
fn old_database() -> (TempDir, PathBuf) {
    let (folder, path) = database();
    run_sql(&path, "pragma journal_mode = delete; pragma auto_vacuum = none; vacuum");
    free_pages_of(&path);
    (folder, path)
}

/// Compacts a database as the runbook says.
fn compact(path: &Path) -> (Option<i32>, String) {
    let runbook = fs::read_to_string("docs/alerts.md").unwrap();
    let command = "gitops-status-server compact --database-url sqlite:///";
    assert!(runbook.contains(command), "the runbook does not say how");
    let output = compacting(path).output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.code(), said.concat())
}

fn compacting(path: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gitops-status-server"));
    command.env_clear().stdout(Stdio::piped()).stderr(Stdio::piped());
    command.args(["compact", "--database-url"]).arg(format!("sqlite://{}", path.display()));
    command
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

#[test]
fn an_old_database_is_compacted_as_the_runbook_says_and_keeps_its_identity() {
    let (_folder, path) = old_database();
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let server = Process::start(&path, NO_ARGUMENTS);
    let is_large = |bytes| bytes > 4 * SMALL;
    wait_until("the metric shows the free pages", || reusable_bytes(&server).is_some_and(is_large));
    server.accept(report("repo", "later", "OUT_OF_SYNC", &["b"]));
    let before = (server.list(""), server.get("/api/history").text());
    let store = stored(&path, "select store_id from meta");
    server.kill();
    assert!(beside(&path, "-wal").exists(), "what came last is in the log");

    let (status, said) = compact(&path);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains(&format!("{} bytes now", bytes(&path))), "{said}");
    assert!(bytes(&path) < SMALL, "{said}");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(stored(&path, "select store_id from meta"), store);
    assert_eq!(stored(&path, "select cast(auto_vacuum as text) from pragma_auto_vacuum"), ["2"]);
    let server = Process::start(&path, NO_ARGUMENTS);
    assert_eq!((server.list(""), server.get("/api/history").text()), before);
    drop(server);
    let (status, said) = compact(&path);
    assert_eq!(status, Some(0), "a second time as well: {said}");
}

#[test]
fn a_database_that_is_in_use_is_not_compacted() {
    let (_folder, path) = old_database();
    let server = Process::start(&path, NO_ARGUMENTS);
    let (status, said) = compact(&path);
    assert_eq!(status, Some(75), "{said}");
    assert!(said.contains("in use by another process"), "{said}");
    server.accept(report("repo", "after", "SYNCED", &[]));
}

#[test]
fn a_database_without_room_for_a_copy_is_left_as_it_is() {
    let disk = SmallDisk::mount();
    let path = disk.path().join("status.db");
    assert_eq!(Process::start(&path, NO_ARGUMENTS).terminate().code(), Some(0));
    run_sql(
        &path,
        "create table ballast (content blob); insert into ballast values (randomblob(550000))",
    );
    let before = fs::read(&path).unwrap();
    let (status, said) = compact(&path);
    assert_eq!(status, Some(74), "{said}");
    assert!(said.contains("no room beside it for a copy"), "{said}");
    assert!(fs::read(&path).unwrap() == before);
    assert!(!beside(&path, ".new").exists(), "what was copied takes room");
}

#[test]
fn a_killed_compaction_leaves_the_database_as_it_was_and_no_other_file() {
    let (_folder, path) = database();
    run_sql(
        &path,
        "create table ballast (content blob); \
         with recursive number (n) as (select 1 union all select n + 1 from number where n < 40) \
         insert into ballast select randomblob(1000000) from number",
    );
    let mut child = compacting(&path).spawn().unwrap();
    wait_until("it copies", || beside(&path, ".new").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    let server = Process::start(&path, NO_ARGUMENTS);
    assert_eq!(server.names(""), ["repo/server"]);
    assert!(!beside(&path, ".new").exists());
}
