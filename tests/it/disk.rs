//! The disk is full, or the database is removed, replaced or moved.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::{Process, is_traced, report, wait_until};

const NO_ARGUMENTS: &[&str] = &[];

/// A small mounted file system; dropping it unmounts it.
pub struct SmallDisk(TempDir);

impl SmallDisk {
    pub fn mount() -> Self {
        Self::of_size("1m")
    }

    /// Mounts one of another size, as `mount` reads it.
    pub fn of_size(size: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (size, path) = (format!("size={size}"), folder.path().to_str().unwrap());
        run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", path]);
        Self(folder)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    fn grow(&self) {
        run("mount", &["-o", "remount,size=16m", self.path().to_str().unwrap()]);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(self.path()).status().ok();
    }
}

fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status().unwrap();
    assert!(status.success(), "{program} {arguments:?} needs root, which `scripts/test` has");
}

fn is_degraded(server: &Process) -> bool {
    let reply = server.get("/health");
    assert_eq!(reply.status, 200, "a restart would not help");
    let health = reply.json();
    let degraded = health["status"] == "degraded";
    assert_eq!(degraded, health["message"].is_string(), "{health}");
    degraded
}

fn assert_not_stored(server: &Process, name: &str) {
    let reply = server.post(report("refused", name, "SYNCED", &[]));
    assert!(reply.header("retry-after").is_some());
    assert!(reply.error(503).contains("could not be stored"));
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

/// Makes a backup, and an update that it lacks.
fn back_up_and_go_on(server: &Process, backup: &Path) {
    server.accept(report("repo", "before", "OUT_OF_SYNC", &["a"]));
    let reply = server.get("/api/backup");
    assert_eq!(reply.status, 200);
    fs::write(backup, reply.body).unwrap();
    server.accept(report("repo", "after", "SYNCED", &[]));
}

/// Asserts that the command `check` finds the database sound.
fn check(path: &Path) {
    let (status, said) = Process::run_to_end(Process::command(path).arg("check"));
    assert_eq!(status.code(), Some(0), "{said}");
}

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("status.db");
    (folder, path)
}

#[test]
fn updates_on_a_full_disk_get_503_and_work_again_at_once_when_there_is_space() {
    let disk = SmallDisk::mount();
    let path = disk.path().join("status.db");
    let server = Process::start(&path, NO_ARGUMENTS);
    let names: Vec<String> =
        (0..200).map(|number| "x".repeat(2000) + &number.to_string()).collect();
    let files: Vec<&str> = names.iter().take(20).map(String::as_str).collect();
    let mut acknowledged = Vec::new();
    let mut refused = 0;
    for number in 0..60 {
        let name = format!("server-{number}");
        let reply = server.post(report("repo", &name, "OUT_OF_SYNC", &files));
        match reply.status {
            200 => acknowledged.push(name),
            503 => refused += 1,
            other => panic!("{other}: {}", reply.text()),
        }
    }
    assert!(refused > 0 && !acknowledged.is_empty(), "the disk was to fill up");
    // A look in between may find room for a commit of nothing.
    wait_until("a refused update shows", || {
        let update = report("refused", "one-more", "OUT_OF_SYNC", &files);
        server.post(update).status == 503 && is_degraded(&server)
    });
    let listed = |server: &Process| -> Vec<String> {
        let rows = server.list("?repo=repo&fields=server");
        rows.iter().map(|row| row["server"].as_str().unwrap().to_owned()).collect()
    };
    assert!(acknowledged.iter().all(|name| listed(&server).contains(name)), "reads go on");

    disk.grow();
    for number in 0..60 {
        let name = format!("later-{number}");
        server.accept(report("repo", &name, "SYNCED", &[]));
        acknowledged.push(name);
    }
    assert!(!is_degraded(&server));
    server.kill();
    let server = Process::start(&path, NO_ARGUMENTS);
    let kept = listed(&server);
    let lost: Vec<_> = acknowledged.iter().filter(|name| !kept.contains(name)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
}

#[test]
fn new_space_on_a_full_disk_is_noticed_without_an_update() {
    let disk = SmallDisk::mount();
    let path = disk.path().join("status.db");
    let server = Process::start(&path, NO_ARGUMENTS);
    let ballast = disk.path().join("ballast");
    // dd fails once the disk is full.
    let of = format!("of={}", ballast.display());
    Command::new("dd").args(["if=/dev/zero", &of, "bs=1k"]).output().unwrap();
    let mut number = 0;
    wait_until("an update is refused, and health shows it", || {
        number += 1;
        let files = ["y".repeat(4000)];
        let report = report("repo", &format!("s{number}"), "SYNCED", &[&files[0]]);
        server.post(report).status == 503 && is_degraded(&server)
    });
    fs::remove_file(ballast).unwrap();
    wait_until("it is healthy again", || !is_degraded(&server));
}

#[test]
fn a_removed_database_is_noticed_and_not_created_again() {
    let (_folder, path) = place();
    let server = Process::start(&path, NO_ARGUMENTS);
    server.accept(report("repo", "server", "SYNCED", &[]));
    for suffix in ["", "-wal", "-shm"] {
        fs::remove_file(format!("{}{suffix}", path.display())).unwrap();
    }
    wait_until("it is degraded, without an update", || is_degraded(&server));
    for number in 0..20 {
        assert_not_stored(&server, &number.to_string());
    }
    assert_eq!(server.names(""), ["repo/server"], "reads go on");
    assert!(!path.exists());
}

#[test]
fn a_replaced_database_is_left_alone() {
    let (_folder, path) = place();
    let server = Process::start(&path, NO_ARGUMENTS);
    server.accept(report("repo", "server", "SYNCED", &[]));
    let other = path.with_extension("other");
    fs::write(&other, b"another file").unwrap();
    fs::rename(&other, &path).unwrap();
    assert_not_stored(&server, "a");
    assert!(is_degraded(&server));
    assert_not_stored(&server, "b");
    assert_eq!(fs::read(&path).unwrap(), b"another file");
    assert_eq!(server.names(""), ["repo/server"]);
}

#[test]
fn a_backup_that_took_the_place_of_the_database_is_served_without_the_log_of_that() {
    let (folder, path) = place();
    let [backup, away] = ["backup.db", "away.db"].map(|name| folder.path().join(name));
    let (log, aside) = (beside(&path, "-wal"), beside(&path, ".displaced-1-wal"));
    let mut server = Process::start(&path, NO_ARGUMENTS);
    back_up_and_go_on(&server, &backup);
    let bytes = fs::read(&backup).unwrap();
    fs::rename(&path, &away).unwrap();
    fs::rename(&backup, &path).unwrap();
    wait_until("it is degraded", || is_degraded(&server));
    assert_eq!(server.terminate().code(), Some(0));
    assert!(server.log().contains(aside.to_str().unwrap()), "{}", server.log());
    assert!(fs::read(&path).unwrap() == bytes);
    assert!(!log.exists());
    let mut server = Process::start(&path, NO_ARGUMENTS);
    assert_eq!(server.names(""), ["repo/before"]);
    assert_eq!(server.terminate().code(), Some(0));
    check(&path);

    fs::rename(&away, &path).unwrap();
    fs::rename(&aside, &log).unwrap();
    let mut server = Process::start(&path, NO_ARGUMENTS);
    assert_eq!(server.names(""), ["repo/after", "repo/before"], "it has the way back");
    assert_eq!(server.terminate().code(), Some(0));
    check(&path);
}

#[test]
fn a_log_that_came_with_a_file_in_the_place_of_the_database_stays_with_it() {
    let (folder, path) = place();
    let other = folder.path().join("other.db");
    let server = Process::start(&other, NO_ARGUMENTS);
    server.accept(report("repo", "other", "SYNCED", &[]));
    server.kill();
    let mut server = Process::start(&path, NO_ARGUMENTS);
    server.accept(report("repo", "server", "SYNCED", &[]));
    for suffix in ["", "-wal"] {
        fs::rename(beside(&other, suffix), beside(&path, suffix)).unwrap();
    }
    wait_until("it is degraded", || is_degraded(&server));
    assert_eq!(server.terminate().code(), Some(0));
    let server = Process::start(&path, NO_ARGUMENTS);
    assert_eq!(server.names(""), ["repo/other"]);
}

#[test]
fn after_a_kill_a_backup_in_the_place_of_the_database_is_served_as_the_runbook_says() {
    let (folder, path) = place();
    let backup = folder.path().join("backup.db");
    let restore = || {
        let mut command = Process::command(&path);
        command.arg("restore").arg(&backup).arg("--replace");
        let (status, said) = Process::run_to_end(&mut command);
        assert_eq!(status.code(), Some(0), "{said}");
    };
    let asides = [1, 2].map(|number| beside(&path, &format!(".displaced-{number}-wal")));
    let mut logs = Vec::new();
    for aside in &asides {
        let server = Process::start(&path, NO_ARGUMENTS);
        back_up_and_go_on(&server, &backup);
        fs::rename(&backup, &path).unwrap();
        wait_until("it is degraded", || is_degraded(&server));
        server.kill();
        logs.push(fs::read(beside(&path, "-wal")).unwrap());
        fs::rename(&path, &backup).unwrap();
        restore();
        assert!(aside.exists());
        let mut server = Process::start(&path, NO_ARGUMENTS);
        assert_eq!(server.names(""), ["repo/before"]);
        assert_eq!(server.terminate().code(), Some(0));
        check(&path);
    }
    restore();
    assert!(beside(&path, ".replaced-1").exists());
    assert!(!beside(&path, ".replaced-1-wal").exists(), "no log of another database is beside it");
    for (aside, log) in asides.iter().zip(logs) {
        assert!(fs::read(aside).unwrap() == log, "the way back");
    }
}

#[test]
fn a_folder_that_is_moved_away_and_back_loses_nothing() {
    let (folder, _) = place();
    let home = folder.path().join("data");
    fs::create_dir(&home).unwrap();
    let path = home.join("status.db");
    let server = Process::start(&path, NO_ARGUMENTS);
    server.accept(report("repo", "before", "SYNCED", &[]));
    let away = folder.path().join("away");
    fs::rename(&home, &away).unwrap();
    assert_not_stored(&server, "meanwhile");
    fs::rename(&away, &home).unwrap();
    wait_until("it is healthy again", || !is_degraded(&server));
    server.accept(report("repo", "after", "SYNCED", &[]));
    server.kill();
    let server = Process::start(&path, NO_ARGUMENTS);
    assert_eq!(server.names("?repo=repo"), ["repo/after", "repo/before"]);
}

#[test]
fn a_removed_write_ahead_log_loses_nothing_that_was_acknowledged() {
    let (_folder, path) = place();
    let server = Process::start(&path, NO_ARGUMENTS);
    server.accept(report("repo", "before", "SYNCED", &[]));
    // It is read by a connection that stays.
    assert_eq!(server.get("/api/history").status, 200);
    fs::remove_file(format!("{}-wal", path.display())).unwrap();
    wait_until("updates are taken again", || {
        server.post(report("repo", "after", "SYNCED", &[])).status == 200
    });
    server.kill();
    let server = Process::start(&path, NO_ARGUMENTS);
    assert_eq!(server.names(""), ["repo/after", "repo/before"]);
}

#[test]
fn a_hanging_disk_shows_in_health_until_it_goes_on() {
    let (_folder, path) = place();
    let server = Process::start(&path, NO_ARGUMENTS);
    let mut tracer = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync"])
        .args(["-e", "inject=fsync,fdatasync:delay_enter=60000000"])
        .args(["-p", &server.id().to_string()])
        .spawn()
        .expect("strace is needed, which `scripts/test` installs");
    wait_until("the program is traced", || is_traced(server.id()));
    let client = server.client;
    let update =
        std::thread::spawn(move || client.post(report("repo", "server", "SYNCED", &[])).status);
    wait_until("it is degraded", || is_degraded(&server));
    assert!(server.names("").is_empty(), "reads go on, and what is not on disk is not shown");
    Command::new("kill").args(["-s", "INT", &tracer.id().to_string()]).status().unwrap();
    tracer.wait().unwrap();
    wait_until("it is healthy again", || !is_degraded(&server));
    assert_eq!(update.join().unwrap(), 200);
    assert_eq!(server.names(""), ["repo/server"]);
}
