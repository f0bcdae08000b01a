//! The disk hangs, in any system call, or cannot read a page.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::access::kit::{ALL, Token};
use crate::support::{
    Process, eventually, library_of, report, run_sql, stored, update_request, wait_until,
};

/// System calls that inspect and open files.
const LOOKS: &str = "HANG_LOOKS";
/// Those that inspect and open the file of tokens.
const TOKENS: &str = "HANG_TOKENS";
/// System calls that sync.
const SYNCS: &str = "HANG_SYNCS";
/// Reads of a page of the database.
const PAGE: &str = "LOSE_PAGE";

/// A folder with a database on a disk that can be made to hang.
struct Disk(TempDir);

impl Disk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        library_of("hang.c", folder.path());
        Self(folder)
    }

    fn command(&self) -> Command {
        self.command_with_grace("3s")
    }

    fn command_with_grace(&self, grace: &str) -> Command {
        let mut command = Process::command(&self.0.path().join("status.db"));
        command.env("LD_PRELOAD", self.0.path().join("hang.so"));
        for calls in [LOOKS, TOKENS, SYNCS, PAGE] {
            command.env(calls, self.0.path().join(calls));
        }
        command.args(["--shutdown-grace", grace, "--workers", "1"]);
        command
    }

    fn start(&self) -> Process {
        let server = Process::run(&mut self.command());
        server.accept(report("repo", "server", "SYNCED", &[]));
        server
    }

    fn hang(&self, calls: &str) {
        fs::write(self.0.path().join(calls), b"").unwrap();
    }

    fn go_on(&self, calls: &str) {
        fs::remove_file(self.0.path().join(calls)).unwrap();
    }
}

fn catches_sigterm(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:\t")).unwrap();
    u64::from_str_radix(caught, 16).unwrap() & 1 << (15 - 1) != 0
}

fn status(server: &Process) -> String {
    server.get("/health").json()["status"].as_str().unwrap().to_owned()
}

fn metric(server: &Process, name: &str) -> Option<f64> {
    let metrics = server.get("/metrics").text();
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map(|value| value.parse().unwrap())
}

#[test]
fn a_disk_that_hangs_when_files_are_inspected_shows_in_health_and_reads_go_on() {
    let disk = Disk::new();
    let server = disk.start();
    let client = server.client;
    disk.hang(LOOKS);
    let update = thread::spawn(move || client.post(report("repo", "late", "SYNCED", &[])).status);
    let questions: Vec<_> =
        (0..6).map(|_| thread::spawn(move || client.get("/api/history").status)).collect();
    wait_until("it is degraded", || status(&server) == "degraded");
    assert_eq!(server.names(""), ["repo/server"]);
    let size = "gitops_status_database_bytes";
    wait_until("sizes are not known", || metric(&server, size).is_none());
    disk.go_on(LOOKS);
    assert_eq!(update.join().unwrap(), 200);
    for question in questions {
        assert!([200, 503].contains(&question.join().unwrap()));
    }
    wait_until("it is healthy again", || status(&server) == "healthy");
    wait_until("sizes are known again", || metric(&server, size).is_some());
    assert_eq!(server.names(""), ["repo/late", "repo/server"]);
    assert_eq!(server.get("/api/history").status, 200);
}

#[test]
fn an_update_that_finds_no_room_in_the_queue_is_refused_as_busy() {
    const LARGE: f64 = 33_554_432.0;
    let disk = Disk::new();
    let server = Process::run(disk.command().args(["--max-body-bytes", "67108864"]));
    disk.hang(SYNCS);
    let files: Vec<String> = (0..8200).map(|number| format!("{number:04096}")).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let (update, client) = (report("repo", "server", "OUT_OF_SYNC", &files), server.client);
    let first = update_request(&update);
    thread::spawn(move || client.raw(first.as_bytes()));
    let bytes = "gitops_status_queue_bytes";
    wait_until("the first takes half of the queue", || metric(&server, bytes) > Some(LARGE));
    server.post(update).error(503);
    let updates = |outcome| format!("gitops_status_updates_total{{outcome=\"{outcome}\"}}");
    assert_eq!(metric(&server, &updates("busy")), Some(1.0));
    assert_eq!(metric(&server, &updates("stored")), Some(0.0));
}

#[test]
fn a_disk_that_hangs_does_not_keep_the_program_from_stopping() {
    for calls in [LOOKS, SYNCS] {
        let disk = Disk::new();
        let mut server = disk.start();
        disk.hang(calls);
        assert_eq!(server.terminate().code(), Some(0), "{calls}: nobody waits for an answer");
    }
}

#[test]
fn probes_are_answered_on_their_port_while_a_hanging_disk_delays_the_end() {
    let disk = Disk::new();
    let mut command = disk.command_with_grace("1m");
    let mut server = Process::run(command.args(["--admin-listen", "127.0.0.1:0"]));
    server.accept(report("repo", "server", "SYNCED", &[]));
    disk.hang(SYNCS);
    server.signal("TERM");
    wait_until("the main port is closed", || server.client.try_connect().is_none());
    assert_eq!(server.admin().get("/livez").status, 200);
    server.admin().get("/readyz").error(503);
    assert_eq!(server.try_wait(), None);
    disk.go_on(SYNCS);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_stop_that_cannot_answer_updates_of_a_hanging_commit_is_a_failure() {
    for calls in [LOOKS, SYNCS] {
        let disk = Disk::new();
        let mut server = disk.start();
        let client = server.client;
        disk.hang(calls);
        let request = update_request(&report("repo", "late", "SYNCED", &[]));
        let update = thread::spawn(move || client.raw(request.as_bytes()));
        let bytes = "gitops_status_queue_bytes";
        wait_until("an update has come", || metric(&server, bytes) > Some(0.0));
        let depth = "gitops_status_queue_depth";
        wait_until("it is being committed", || metric(&server, depth) == Some(0.0));
        assert!(metric(&server, bytes) > Some(0.0), "{calls}: it is in memory all the same");
        assert_eq!(server.terminate().code(), Some(1), "{calls}");
        assert!(update.join().unwrap().is_none());
    }
}

#[test]
fn a_start_on_a_hanging_disk_can_be_stopped() {
    let disk = Disk::new();
    disk.start().terminate();
    disk.hang(LOOKS);
    let mut server = Process::launch(&mut disk.command());
    wait_until("it listens to signals", || catches_sigterm(server.id()));
    assert_eq!(server.terminate().code(), Some(0));
}

#[test]
fn a_file_of_tokens_on_a_disk_that_hangs_keeps_its_tokens_and_shows_in_health() {
    let (disk, token) = (Disk::new(), Token::new("ci", ALL));
    let (file, other) = (disk.0.path().join("tokens.toml"), Token::new("other", ALL));
    fs::write(&file, &token.table).unwrap();
    let mut server = Process::run(disk.command().arg("--tokens-file").arg(&file));
    let post = |token: &Token| {
        let bearer = format!("Bearer {}", token.text);
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        let body = report("repo", "server", "SYNCED", &[]);
        server.send("POST", "/api/status", &headers, body.as_bytes()).status
    };
    disk.hang(TOKENS);
    wait_until("it is degraded", || status(&server) == "degraded");
    assert_eq!(metric(&server, "gitops_status_tokens_file_valid"), Some(0.0));
    assert_eq!(post(&token), 200);
    server.expect_logged_once("The file of tokens cannot be read in time");
    fs::write(&file, &other.table).unwrap();
    disk.go_on(TOKENS);
    wait_until("it is healthy again", || status(&server) == "healthy");
    wait_until("the new token is valid", || post(&other) == 200);
    assert_eq!(post(&token), 401);
    disk.hang(TOKENS);
    assert_eq!(server.terminate().code(), Some(0));
}

#[test]
fn a_start_with_a_file_of_tokens_on_a_disk_that_hangs_can_be_stopped() {
    let (disk, token) = (Disk::new(), Token::new("ci", ALL));
    let file = disk.0.path().join("tokens.toml");
    fs::write(&file, &token.table).unwrap();
    disk.hang(TOKENS);
    let mut server = Process::launch(disk.command().arg("--tokens-file").arg(&file));
    wait_until("it listens to signals", || catches_sigterm(server.id()));
    assert_eq!(server.terminate().code(), Some(0));
}

#[test]
fn an_unreadable_page_of_the_history_is_found_and_repaired() {
    let disk = Disk::new();
    let path = disk.0.path().join("status.db");
    disk.start().terminate();
    run_sql(
        &path,
        "insert into transitions (at, revision, repo, server, event, sync_status, drift_count, \
             files_added, files_added_count, files_removed, files_removed_count) \
         with recursive number (n) as (select 1 union all select n + 1 from number where n < 400) \
         select 1700000000000 + n, 1, 'repo', 'server', 'changed', 'OUT_OF_SYNC', 1, \
             '[\"file.conf\"]', 1, '[]', 0 from number",
    );
    let place = "select ((pageno - 1) * pgsize) || '' from dbstat where name = 'transitions' \
        and pagetype = 'leaf' order by path limit 1 offset 3";
    let place = &stored(&path, place)[0];
    let server = disk.start();
    fs::write(disk.0.path().join(PAGE), place).unwrap();
    // The check begins ten seconds after the start, and pauses for 49 times what a piece
    // took, at most ten seconds.
    let found = || (status(&server) == "degraded").then_some(()).ok_or("it is not found");
    eventually(Duration::from_mins(2), found).unwrap();
    let damaged = |part| {
        metric(&server, &format!("gitops_status_database_damaged{{part=\"{part}\"}}")).unwrap()
            > 0.0
    };
    assert!(damaged("history") && !damaged("entries"));
    server.accept(report("repo", "server", "OUT_OF_SYNC", &["a.conf"]));
    drop(server);
    let repaired = disk.command().arg("repair").status().unwrap();
    assert_eq!(repaired.code(), Some(0));
    let server = disk.start();
    assert_eq!(server.names(""), ["repo/server"]);
    assert_eq!(status(&server), "healthy");
}
