//! Upgrades that fail, or are killed: the older version opens the database afterwards.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use sqlx::{Connection, PgConnection};
use tempfile::TempDir;
use tokio::runtime::Builder;

use super::examples::{Database, Example, Kind, dump};
use crate::disk::SmallDisk;
use crate::support::{Cluster, Process, run_sql, run_tool, stored};

/// The examples are from a spring that is over.
const KEEP: [&str; 2] = ["--stale-after=0", "--ttl=0"];

fn beside(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

/// Returns what a version that opens a database sees. It opens a copy: SQLite changes what it opens.
fn seen_by_the_older_version(path: &Path) -> String {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.db");
    for suffix in ["", "-wal"] {
        if beside(path, suffix).exists() {
            fs::copy(beside(path, suffix), beside(&copy, suffix)).unwrap();
        }
    }
    dump(&copy)
}

/// Starts the program on a database that it cannot upgrade, and returns what it says.
fn fail(command: &mut Command) -> String {
    let (status, log) = Process::run_to_end(command);
    assert_eq!(status.code(), Some(74), "{log}");
    assert!(log.contains("its upgrade failed: "), "{log}");
    log
}

fn serves_all(path: &Path) {
    let server = Process::start(path, &KEEP);
    assert_eq!(server.list("").len(), super::story::ENTRIES);
}

#[test]
fn an_upgrade_that_fails_at_its_last_step_leaves_the_database_as_it_was() {
    for example in Example::all(Kind::Sqlite).filter(|example| !example.is_present()) {
        let database = example.load();
        let path = database.path();
        // The last step makes it.
        run_sql(path, "alter table meta add column restored_at integer");
        let before = seen_by_the_older_version(path);
        let log = fail(Process::command(path).args(KEEP));
        assert!(log.contains("duplicate column name: restored_at"), "{example}: {log}");
        assert_eq!(seen_by_the_older_version(path), before, "{example}");
        run_sql(path, "alter table meta drop column restored_at");
        serves_all(path);
    }
}

#[test]
fn an_upgrade_on_a_full_disk_leaves_the_database_as_it_was_and_succeeds_once_there_is_room() {
    let disk = SmallDisk::of_size("4m");
    let path = disk.path().join("status.db");
    let example = Example::of_file("0002");
    example.write(&path);
    // The next step makes an index of the history anew.
    run_sql(
        &path,
        "with recursive number (n) as (select 1 union all select n + 1 from number where n < 8000) \
         insert into transitions (at, revision, repo, server, event, sync_status, drift_count, \
             files_added, files_added_count, files_removed, files_removed_count) \
         select at, revision, repo, server || n, event, sync_status, drift_count, '[]', 0, '[]', 0 \
         from number, (select * from transitions limit 1)",
    );
    let before = seen_by_the_older_version(&path);
    let ballast = disk.path().join("ballast");
    let mut file = File::create(&ballast).unwrap();
    while file.write_all(&[1; 4096]).is_ok() {}
    // Some steps still fit.
    file.set_len(file.metadata().unwrap().len() - 100_000).unwrap();
    let log = fail(Process::command(&path).args(KEEP));
    assert!(log.contains("disk is full"), "{log}");
    assert_eq!(seen_by_the_older_version(&path), before);
    drop(file);
    fs::remove_file(ballast).unwrap();
    serves_all(&path);
}

/// A place for a database that the program upgrades while strace makes its calls fail.
struct Faulty {
    _folder: TempDir,
    path: PathBuf,
    example: Example,
}

impl Faulty {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("status.db");
        Self { path, _folder: folder, example: Example::of_file("0001") }
    }

    /// Puts the example there.
    fn begin(&self) {
        for suffix in ["", "-wal", "-shm"] {
            fs::remove_file(beside(&self.path, suffix)).ok();
        }
        self.example.write(&self.path);
    }

    /// Returns the command that starts the program so that this happens at a call of some kind that changes
    /// the database or its log. It stays the child of its caller (`-D`).
    fn command(&self, calls: &str, fault: &str) -> Command {
        let program = Process::command(&self.path);
        let mut command = Command::new("strace");
        command.args(["-D", "-f", "-qq", "-o", "/dev/null"]);
        command.arg("-e").arg(format!("trace={calls}"));
        command.arg("-e").arg(format!("inject={calls}:{fault}"));
        for suffix in ["", "-wal"] {
            command.arg("-P").arg(beside(&self.path, suffix));
        }
        command.arg(program.get_program()).args(program.get_args()).args(KEEP);
        command.env_clear().env("PATH", std::env::var("PATH").unwrap());
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped());
        command
    }

    /// Starts the program with a fault at the first call, at a later one, and so on, until it upgrades without
    /// one. Returns how often the old database was there afterwards, and how often the new one.
    fn sweep(&self, calls: &str, fault: &str) -> (u32, u32) {
        self.begin();
        let old = dump(&self.path);
        let (mut as_before, mut upgraded, mut at) = (0, 0, 1);
        loop {
            self.begin();
            let outcome = Process::try_run(&mut self.command(calls, &format!("{fault}:when={at}")));
            let is_done = outcome.is_ok();
            drop(outcome);
            if is_done {
                return (as_before, upgraded);
            }
            if seen_by_the_older_version(&self.path) == old {
                as_before += 1;
            } else {
                upgraded += 1;
                let newest = Kind::Sqlite.migrations().pop().unwrap();
                let steps =
                    stored(&self.path, "select format('%04d', max(version)) from _sqlx_migrations");
                assert_eq!(
                    steps,
                    [newest],
                    "{calls} {fault} at {at}: a schema between two versions"
                );
            }
            serves_all(&self.path);
            at += 1 + at / 5;
        }
    }
}

#[test]
fn an_upgrade_that_is_killed_at_any_write_leaves_the_old_database_or_the_new_one() {
    let (as_before, upgraded) = Faulty::new().sweep("write,pwrite64,fdatasync", "signal=KILL");
    assert!(as_before > 5 && upgraded > 0, "{as_before} {upgraded}");
}

#[test]
fn an_upgrade_that_a_write_fails_at_leaves_the_old_database_or_the_new_one() {
    for error in ["ENOSPC", "EIO"] {
        let fault = format!("error={error}");
        let (as_before, upgraded) = Faulty::new().sweep("write,pwrite64,fdatasync", &fault);
        assert!(as_before > 5, "{error}: {as_before} {upgraded}");
    }
}

/// As while a `pg_dump` reads the table: the commits of other replicas would wait behind the upgrade.
#[test]
fn an_upgrade_on_postgresql_that_waits_for_a_lock_gives_up_and_leaves_the_database_as_it_was() {
    let example = Example::all(Kind::Postgres).next().unwrap();
    let database = example.load();
    let Database::Server(server) = &database else { unreachable!() };
    let dump = || {
        let text = run_tool("pg_dump", "postgresql", &[&server.url()], "");
        // A key of this one dump.
        let lines = text.lines().filter(|line| !line.starts_with('\\'));
        lines.map(|line| line.to_owned() + "\n").collect::<String>()
    };
    let before = dump();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let mut reader = runtime.block_on(PgConnection::connect(&server.url())).unwrap();
    let mut read = |sql| runtime.block_on(sqlx::raw_sql(sql).execute(&mut reader)).unwrap();
    read("begin; select * from meta");
    let log = fail(Process::command_on(&database.url()).args(KEEP));
    assert!(log.contains("lock timeout"), "{log}");
    assert_eq!(dump(), before);
    read("commit");
    let started = Process::run(Process::command_on(&database.url()).args(KEEP));
    assert_eq!(started.list("").len(), super::story::ENTRIES);
}

#[test]
fn a_first_start_that_fails_on_postgresql_leaves_no_table_of_the_schema() {
    let database = Database::create(Kind::Postgres);
    let Database::Server(server) = &database else { unreachable!() };
    let run = |sql: &str| Cluster::shared().run(server.name(), sql);
    // The first step makes tables, and then this one.
    run("set role status; create table others (began bigint);
         create index transitions_by_time on others (began)");
    let start = || Process::run_to_end(&mut Process::command_on(&database.url()));
    let (status, log) = start();
    assert_eq!(status.code(), Some(74), "{log}");
    assert!(log.contains("its upgrade failed: ") && log.contains("already exists"), "{log}");
    let tables = "select tablename::text from pg_tables where schemaname = 'public' order by 1";
    assert_eq!(server.stored(tables), ["_sqlx_migrations", "others"]);
    run("drop index transitions_by_time");
    let mut started = Process::run(&mut Process::command_on(&database.url()));
    assert_eq!(started.terminate().code(), Some(0));
}
