//! The size of SQLite's write-ahead log while clients read, and that it shrinks again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Executor};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::disk::SmallDisk;
use crate::support::{Client, Process, report, run_sql, wait_until};

const NO_ARGUMENTS: &[&str] = &[];
const BOUND: u64 = 64_000_000;
const SMALL: u64 = 17_000_000;

/// Serves a database whose history takes a while to search.
fn serve_long_history() -> (TempDir, PathBuf, Process) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("status.db");
    assert_eq!(Process::start(&path, NO_ARGUMENTS).terminate().code(), Some(0));
    run_sql(
        &path,
        "insert into transitions (at, revision, repo, server, event, sync_status, drift_count, \
             files_added, files_added_count, files_removed, files_removed_count) \
         with recursive number (n) as (select 1 union all select n + 1 from number where n < 2000) \
         select 1776767535000 + n, 0, 'old', 's' || n % 50, 'changed', 'SYNCED', 1, \
             '[\"a\"]', 1, '[\"b\"]', 1 from number",
    );
    // Enough threads that updates do not wait for searches.
    let server = Process::start(&path, &["--workers", "8"]);
    (folder, path, server)
}

fn log_bytes(database: &Path) -> u64 {
    fs::metadata(format!("{}-wal", database.display())).map_or(0, |log| log.len())
}

/// A change that adds some hundred kilobytes to the log.
fn large_change(number: u64) -> String {
    let names: Vec<String> = (0..28).map(|file| format!("{number}/{file:0>1000}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    report("large", "server", "OUT_OF_SYNC", &names)
}

/// Returns a metric, unless it is missing for a moment, as the sizes are if a measurement takes long.
fn metric(client: Client, name: &str) -> Option<String> {
    let text = client.get("/metrics").text();
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    found.map(str::to_owned)
}

/// Returns the bytes that a process has written to files.
fn written_bytes(process: &Process) -> u64 {
    let counters = fs::read_to_string(format!("/proc/{}/io", process.id())).unwrap();
    let written = counters.lines().find_map(|line| line.strip_prefix("wchar: ")).unwrap();
    written.parse().unwrap()
}

/// Another program with an open read transaction.
pub struct Foreign(Runtime, SqliteConnection);

impl Foreign {
    pub fn read(database: &Path) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let options = SqliteConnectOptions::new().filename(database).read_only(true);
        let mut connection = runtime.block_on(options.connect()).unwrap();
        runtime.block_on(connection.execute("begin")).unwrap();
        runtime.block_on(connection.fetch_one("select count(*) from transitions")).unwrap();
        Self(runtime, connection)
    }

    pub fn end(self) {
        self.0.block_on(self.1.close()).unwrap();
    }
}

/// Finds the processes that have a database open, with the command of the runbook.
fn found_by_runbook(database: &Path) -> Vec<String> {
    let runbook = fs::read_to_string("docs/alerts.md").unwrap();
    let command = runbook.lines().find_map(|line| line.strip_prefix("# find /proc")).unwrap();
    let name = database.display().to_string();
    let command = command.replace("*/gitops-status.db", &name);
    assert!(command.contains(&name), "{command}");
    let output = Command::new("sh").args(["-c", &format!("find /proc{command}")]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn the_log_stays_small_while_clients_search_the_history_continuously() {
    let (_folder, path, server) = serve_long_history();
    let (is_over, answers) = (AtomicBool::new(false), AtomicU64::new(0));
    let client = server.client;
    let search = || {
        while !is_over.load(Ordering::Relaxed) {
            let reply = client.get("/api/history?repo=old&q=nosuchfile");
            assert!(matches!(reply.status, 200 | 503), "{}: {}", reply.status, reply.text());
            answers.fetch_add(u64::from(reply.status == 200), Ordering::Relaxed);
        }
    };
    thread::scope(|scope| {
        let searchers = [scope.spawn(search), scope.spawn(search), scope.spawn(search)];
        let updates = scope.spawn(|| {
            wait_until("questions are answered", || answers.load(Ordering::Relaxed) > 0);
            // On a slow machine the searches are less often in the way.
            let (mut number, mut largest) = (0, 0);
            while number < 700 || (largest <= SMALL && number < 7000) {
                server.accept(large_change(number));
                largest = largest.max(log_bytes(&path));
                number += 1;
            }
            largest
        });
        let largest = updates.join();
        is_over.store(true, Ordering::Relaxed);
        for searcher in searchers {
            searcher.join().unwrap();
        }
        let largest = largest.unwrap();
        assert!(largest > SMALL, "nobody was in its way: {largest} bytes");
        assert!(largest < BOUND, "{largest} bytes");
    });
    wait_until("the log is small again", || log_bytes(&path) < SMALL);
    assert_eq!(server.get("/api/history?repo=old&limit=1").status, 200);
}

#[test]
fn a_log_pinned_by_another_program_is_reported_and_shrinks_when_that_ends() {
    let (_folder, path, server) = serve_long_history();
    let other = Foreign::read(&path);
    for number in 0..300 {
        server.accept(large_change(number));
    }
    assert!(log_bytes(&path) > SMALL);
    let is_pinned = |pinned: &str| {
        metric(server.client, "gitops_status_database_wal_pinned").as_deref() == Some(pinned)
    };
    wait_until("the metric shows that the log is pinned", || is_pinned("1"));
    assert_eq!(server.get("/api/history?limit=1").status, 200, "questions go on");
    let own = std::process::id();
    assert!(found_by_runbook(&path).iter().any(|line| line.starts_with(&format!("/proc/{own}/"))));
    server.accept(report("repo", "server", "SYNCED", &[]));

    other.end();
    wait_until("the log is small again", || log_bytes(&path) < SMALL);
    wait_until("the metric falls to 0", || is_pinned("0"));
    assert_eq!(server.get("/api/history?limit=1").status, 200);
}

#[test]
fn updates_that_a_full_disk_refuses_do_not_write_a_pinned_log_anew() {
    let disk = SmallDisk::of_size("8m");
    let path = disk.path().join("status.db");
    let server = Process::start(&path, NO_ARGUMENTS);
    let other = Foreign::read(&path);
    let mut number = 0;
    wait_until("the disk is full", || {
        number += 1;
        server.post(large_change(number)).status == 503
    });
    let (log, before) = (log_bytes(&path), written_bytes(&server));
    assert!(log > 4_000_000, "{log} bytes");
    for refused in 1..=40 {
        assert_eq!(server.post(large_change(number + refused)).status, 503);
    }
    let written = written_bytes(&server) - before;
    assert!(written < 10 * log, "{written} bytes beside a log of {log}");
    other.end();
}
