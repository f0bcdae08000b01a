//! The disk refuses a call: each kind of file, at each moment, with each error. No update that was
//! answered with 200 is lost, reads go on, and the program recovers by itself once the disk does.

mod left_logs;
mod power_cuts;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Process, Reply, report, run_sql, stored, wait_until};

/// What the system may say, as the shim is told.
const NO_SPACE: u32 = 28;
const BROKEN: u32 = 5;
const READ_ONLY: u32 = 30;

const LOG: &str = "status.db-wal";
const DATABASE: &str = "status.db";

/// So many pages that a checkpoint has changed old ones, and few enough that it has more to write.
const WRITES_BEFORE_THE_CUT: u32 = 20;

/// A folder with a database on a disk that can be made to refuse calls.
struct Disk(TempDir);

impl Disk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/faults.c");
        let mut compiler = Command::new("gcc");
        compiler.args(["-shared", "-fPIC", "-o"]).arg(folder.path().join("faults.so")).arg(source);
        let status = compiler.status().expect("gcc is needed, which `scripts/test` installs");
        assert!(status.success());
        fs::create_dir(folder.path().join("backups")).unwrap();
        Self(folder)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self) -> Command {
        let mut command = Process::command(&self.file(DATABASE));
        command.env("LD_PRELOAD", self.file("faults.so"));
        command.env("FAULT", self.file("fault")).env("AHEAD", self.file("ahead"));
        command.env("ON_DISK", self.file("on-disk"));
        command.args(["--workers", "1"]);
        command
    }

    fn start(&self) -> Process {
        Process::run(&mut self.command())
    }

    /// From now on a call on files of a name fails.
    fn refuse(&self, call: &str, name: &str, error: u32) {
        self.tell(format!("{call} {name} {error}\n"));
    }

    fn tell(&self, fault: String) {
        let unfinished = self.file("fault.new");
        fs::write(&unfinished, fault).unwrap();
        fs::rename(unfinished, self.file("fault")).unwrap();
    }

    /// From now on the syncs of the log fail, this often. Then the disk is sound, and the power is cut in
    /// the midst of the next checkpoint.
    fn refuse_syncs_then_cut(&self, times: u32) {
        fs::write(self.file("fault.next"), format!("cut {DATABASE} {WRITES_BEFORE_THE_CUT}\n"))
            .unwrap();
        self.tell(format!("sync {LOG} {BROKEN} {times}\n"));
    }

    fn has_refused(&self) -> bool {
        self.file("fault.hit").exists()
    }

    /// Returns how often the disk has refused a call.
    fn refusals(&self) -> u64 {
        self.file("fault.hit").metadata().map_or(0, |hits| hits.len())
    }

    fn mend(&self) {
        assert!(self.has_refused(), "the fault was never met");
        fs::remove_file(self.file("fault")).unwrap();
        fs::remove_file(self.file("fault.hit")).unwrap();
    }

    /// Returns what a power cut leaves: the database, and what the disk has of its log.
    fn after_a_power_cut(&self) -> Self {
        let left = Self::new();
        for (from, to) in [(DATABASE, DATABASE), ("on-disk", LOG)] {
            fs::copy(self.file(from), left.file(to)).unwrap();
        }
        left
    }

    /// Lets both clocks of the program be ahead of the real ones.
    fn set_ahead(&self, seconds: u32) {
        let unfinished = self.file("ahead.new");
        fs::write(&unfinished, seconds.to_string()).unwrap();
        fs::rename(unfinished, self.file("ahead")).unwrap();
    }
}

/// A reporter that remembers what was answered with 200.
#[derive(Default)]
struct Reporter {
    sent: usize,
    stored: Vec<String>,
}

impl Reporter {
    /// Sends an update of a new entry with some files, and returns the status of the answer.
    fn send(&mut self, server: &Process) -> u16 {
        self.sent += 1;
        let name = format!("server-{:05}", self.sent);
        let files: Vec<String> = (0..20).map(|file| format!("{file:0100}")).collect();
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let update = report("repo", &name, "OUT_OF_SYNC", &files);
        let status = in_time(|| server.post(&update)).status;
        assert!([200, 503].contains(&status), "{status}");
        if status == 200 {
            self.stored.push(format!("repo/{name}"));
        }
        status
    }

    fn send_all(&mut self, server: &Process, count: usize, expected: u16) {
        for number in 0..count {
            assert_eq!(self.send(server), expected, "update {number} of {count}");
        }
    }

    /// Fails if a list lacks an update that was answered with 200.
    fn expect_all(&self, server: &Process, when: &str) {
        let listed: Vec<Value> =
            serde_json::from_slice(&in_time(|| server.get("/status.json")).body).unwrap();
        let name = |row: &Value| format!("repo/{}", row["server"].as_str().unwrap());
        let listed: BTreeSet<String> = listed.iter().map(name).collect();
        let lost: Vec<_> = self.stored.iter().filter(|name| !listed.contains(*name)).collect();
        assert!(lost.is_empty(), "acknowledged and lost {when}: {lost:?}");
    }

    /// Kills the program, and fails if a start lacks something or finds damage.
    fn expect_all_after_a_kill(&self, disk: &Disk, server: Process, when: &str) {
        server.kill();
        let mut server = disk.start();
        self.expect_all(&server, when);
        assert_eq!(health(&server)["status"], "healthy", "{when}");
        assert_eq!(server.terminate().code(), Some(0), "{when}");
        let (status, said) = Process::run_to_end(disk.command().arg("check"));
        assert_eq!(status.code(), Some(0), "{when}: {said}");
    }
}

/// Asks again when the clock has moved on while the program received a request.
fn in_time(ask: impl Fn() -> Reply) -> Reply {
    loop {
        let reply = ask();
        if reply.status != 408 {
            return reply;
        }
    }
}

fn health(server: &Process) -> Value {
    in_time(|| server.get("/health")).json()
}

fn metric(server: &Process, name: &str) -> Option<f64> {
    let metrics = in_time(|| server.get("/metrics")).text();
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map(|value| value.parse().unwrap())
}

#[test]
fn a_log_that_cannot_be_written_refuses_updates_until_it_can() {
    for (call, error) in [
        ("write", NO_SPACE),
        ("write", BROKEN),
        ("write", READ_ONLY),
        ("sync", NO_SPACE),
        ("sync", BROKEN),
    ] {
        let when = format!("after error {error} of a {call} of the log");
        let disk = Disk::new();
        let (server, mut reporter) = (disk.start(), Reporter::default());
        reporter.send_all(&server, 20, 200);
        disk.refuse(call, LOG, error);
        reporter.send_all(&server, 20, 503);
        assert_eq!(health(&server)["status"], "degraded", "{when}");
        reporter.expect_all(&server, &when);
        disk.mend();
        wait_until("it is healthy, without an update", || health(&server)["status"] == "healthy");
        reporter.send_all(&server, 20, 200);
        reporter.expect_all_after_a_kill(&disk, server, &when);
    }
}

#[test]
fn a_checkpoint_that_fails_loses_nothing_and_is_made_later() {
    for (call, error) in
        [("write", NO_SPACE), ("write", BROKEN), ("write", READ_ONLY), ("sync", BROKEN)]
    {
        let when = format!("after error {error} of a {call} of the database");
        let disk = Disk::new();
        let (server, mut reporter) = (disk.start(), Reporter::default());
        reporter.send_all(&server, 20, 200);
        disk.refuse(call, DATABASE, error);
        let mut refused = 0;
        for _ in 0..200 {
            refused += usize::from(reporter.send(&server) == 503);
        }
        assert!(refused < 200, "the log has room {when}");
        reporter.expect_all(&server, &when);
        disk.mend();
        wait_until("it is healthy, without an update", || health(&server)["status"] == "healthy");
        reporter.send_all(&server, 200, 200);
        reporter.expect_all_after_a_kill(&disk, server, &when);
    }
}

#[test]
fn a_first_start_that_the_disk_refuses_is_status_74_and_does_not_block_the_next() {
    for (call, error) in
        [("open", READ_ONLY), ("write", NO_SPACE), ("write", BROKEN), ("sync", BROKEN)]
    {
        let disk = Disk::new();
        disk.refuse(call, "status.db.new", error);
        let (status, said) = Process::run_to_end(&mut disk.command());
        assert_eq!(status.code(), Some(74), "error {error} of a {call}: {said}");
        assert!(!disk.file(DATABASE).exists());
        disk.mend();
        let (server, mut reporter) = (disk.start(), Reporter::default());
        reporter.send_all(&server, 1, 200);
    }
}

#[test]
fn a_start_that_the_disk_refuses_changes_nothing_and_the_next_one_has_every_update() {
    for (call, name, error) in [
        ("read", DATABASE, BROKEN),
        ("read", LOG, BROKEN),
        ("open", DATABASE, READ_ONLY),
        ("open", LOG, READ_ONLY),
    ] {
        let when = format!("after error {error} of a {call} of {name} at the start");
        let disk = Disk::new();
        let (server, mut reporter) = (disk.start(), Reporter::default());
        reporter.send_all(&server, 20, 200);
        server.kill();
        let files = || [DATABASE, LOG].map(|name| fs::read(disk.file(name)).unwrap());
        let before = files();
        disk.refuse(call, name, error);
        let (status, said) = Process::run_to_end(&mut disk.command());
        assert_eq!(status.code(), Some(74), "{when}: {said}");
        assert!(files() == before, "{when}");
        disk.mend();
        let server = disk.start();
        reporter.expect_all(&server, &when);
        reporter.send_all(&server, 1, 200);
        reporter.expect_all_after_a_kill(&disk, server, &when);
    }
}

#[test]
fn a_start_on_a_disk_without_room_shows_everything_and_takes_updates_once_there_is_room() {
    for error in [NO_SPACE, BROKEN] {
        let when = format!("after error {error} of a write of the log at the start");
        let disk = Disk::new();
        let (server, mut reporter) = (disk.start(), Reporter::default());
        reporter.send_all(&server, 20, 200);
        server.kill();
        disk.refuse("write", LOG, error);
        let server = disk.start();
        reporter.expect_all(&server, &when);
        reporter.send_all(&server, 2, 503);
        disk.mend();
        wait_until("it is healthy, without an update", || health(&server)["status"] == "healthy");
        reporter.send_all(&server, 20, 200);
        reporter.expect_all_after_a_kill(&disk, server, &when);
    }
}

#[test]
fn a_backup_that_the_disk_refuses_is_no_backup_and_the_next_one_is_whole() {
    for (call, error, expected) in [
        ("write", NO_SPACE, 507),
        ("write", BROKEN, 503),
        ("sync", BROKEN, 503),
        ("open", READ_ONLY, 503),
    ] {
        let disk = Disk::new();
        let (server, mut reporter) = (disk.start(), Reporter::default());
        reporter.send_all(&server, 20, 200);
        disk.refuse(call, "status.db.backup", error);
        server.get("/api/backup").error(expected);
        assert!(!disk.file("status.db.backup").exists());
        reporter.send_all(&server, 20, 200);
        disk.mend();
        let reply = server.get("/api/backup");
        assert_eq!(reply.status, 200, "error {error} of a {call}");
        let copy = disk.file("copy.db");
        fs::write(&copy, &reply.body).unwrap();
        assert_eq!(stored(&copy, "select count(*) || '' from entries"), ["40"]);
    }
}

#[test]
fn a_backup_by_itself_that_the_disk_refuses_is_told_and_made_later() {
    for (call, error) in [("write", NO_SPACE), ("write", BROKEN), ("sync", BROKEN)] {
        let disk = Disk::new();
        disk.refuse(call, "gitops-status-*", error);
        let mut command = disk.command();
        let server = Process::run(command.arg("--backup-dir").arg(disk.file("backups")));
        let mut reporter = Reporter::default();
        reporter.send_all(&server, 20, 200);
        // The first one is due soon after the start, and after a failure it is tried again.
        disk.set_ahead(20);
        let failures = "gitops_status_backup_failures_total";
        wait_until("it has failed", || metric(&server, failures) == Some(1.0));
        let names = || fs::read_dir(disk.file("backups")).unwrap().count();
        assert_eq!((health(&server)["status"].clone(), names()), ("degraded".into(), 0));
        disk.mend();
        disk.set_ahead(700);
        wait_until("it is made", || names() == 1);
        wait_until("it is healthy again", || health(&server)["status"] == "healthy");
    }
}

#[test]
fn old_changes_that_the_disk_does_not_let_go_are_deleted_later() {
    for (call, error) in [("write", NO_SPACE), ("write", BROKEN), ("sync", BROKEN)] {
        let when = format!("after error {error} of a {call} of the log while old changes went");
        let disk = Disk::new();
        let (mut server, mut reporter) = (disk.start(), Reporter::default());
        reporter.send_all(&server, 20, 200);
        assert_eq!(server.terminate().code(), Some(0));
        run_sql(
            &disk.file(DATABASE),
            "insert into transitions (at, revision, repo, server, event, sync_status, \
                 drift_count, files_added, files_added_count, files_removed, files_removed_count) \
             with recursive number (n) as (select 1 union all select n + 1 from number where n < 500) \
             select 1000000000000 + n, 0, 'repo', 'old', 'changed', 'SYNCED', 1, '[]', 0, '[]', 0 \
             from number",
        );
        let old = || {
            let count = "select count(*) || '' from transitions where server = 'old'";
            stored(&disk.file(DATABASE), count)[0].parse::<usize>().unwrap()
        };
        let server = disk.start();
        disk.refuse(call, LOG, error);
        // Both clocks have run alike for long enough for the wall clock to be believed.
        disk.set_ahead(700);
        wait_until("it was refused", || server.log().contains("could not be pruned"));
        assert_eq!(old(), 500, "{when}");
        reporter.expect_all(&server, &when);
        disk.mend();
        wait_until("it is healthy again", || health(&server)["status"] == "healthy");
        disk.set_ahead(700 + 3700);
        wait_until("they are gone", || old() == 1);
        reporter.send_all(&server, 20, 200);
        reporter.expect_all_after_a_kill(&disk, server, &when);
    }
}
