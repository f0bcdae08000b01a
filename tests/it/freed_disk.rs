//! Disk that the database does not need any more is given back.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::{Process, report, run_sql, wait_until};

const NO_ARGUMENTS: &[&str] = &[];
/// What the program keeps free for what comes next, and what is in use of an almost empty database.
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

/// Fills a database, and deletes what was filled in, as the history does over months.
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

fn reusable_bytes(server: &Process) -> u64 {
    let text = server.get("/metrics").text();
    let name = "gitops_status_database_reusable_bytes ";
    text.lines().find_map(|line| line.strip_prefix(name)).unwrap().parse().unwrap()
}

#[test]
fn a_new_database_becomes_smaller_when_what_was_in_it_is_deleted() {
    let (_folder, path) = database();
    free_pages_of(&path);
    let server = Process::start(&path, NO_ARGUMENTS);
    wait_until("it is told", || reusable_bytes(&server) > 0);
    wait_until("the disk is given back", || bytes(&path) < SMALL);
    wait_until("that is told", || reusable_bytes(&server) < SMALL);
    assert_eq!(server.names(""), ["repo/server"]);
}
