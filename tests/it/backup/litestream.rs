//! Litestream beside the server, as docs/backup.md has it.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::kit::{Machine, all, succeed};
use crate::support::dashboards::repository;
use crate::support::{Process, console_blocks, document, eventually, report, stored};

/// The path of the database in the document.
const DOCUMENTED: &str = "/var/lib/gitops-status/gitops-status.db";

/// The program, with the configuration of the document: a folder is the object storage.
struct Litestream<'a> {
    folder: &'a Path,
    replicating: Child,
}

impl<'a> Litestream<'a> {
    fn beside(database: &Path, folder: &'a Path) -> Self {
        let text = document("docs/backup.md");
        let (_, chapter) = text.split_once("## Litestream\n").unwrap();
        let (_, block) = chapter.split_once("```yaml\n").unwrap();
        let block = block.split("```").next().unwrap();
        let storage = format!("file://{}", folder.join("storage").display());
        let block = block.replace(DOCUMENTED, database.to_str().unwrap());
        fs::write(
            folder.join("litestream.yml"),
            block.replace("s3://bucket/gitops-status", &storage),
        )
        .unwrap();
        let mut replicate = Self::command(folder, &["replicate", "-config", "litestream.yml"]);
        let replicating = replicate.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self { folder, replicating }
    }

    fn command(folder: &Path, words: &[&str]) -> Command {
        let program = repository("target/tools/bin/litestream");
        assert!(
            program.exists(),
            "litestream is missing: scripts/test installs it into target/tools"
        );
        let mut command = Command::new(program);
        command.args(words).current_dir(folder).stdin(Stdio::null());
        command
    }

    fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        kill.args(["-s", name, &self.replicating.id().to_string()]);
        assert!(kill.status().unwrap().success());
    }

    /// Restores what is in the storage to copy.db, by the command of the document; whether there is
    /// anything.
    fn restores(&self) -> bool {
        fs::remove_file(self.folder.join("copy.db")).ok();
        let [restore, _, _] = documented(self.folder);
        let words: Vec<&str> = restore.split(' ').collect();
        assert_eq!(words[..2], ["litestream", "restore"]);
        let words = [&["restore", "-config", "litestream.yml"], &words[2..]].concat();
        Self::command(self.folder, &words).output().unwrap().status.success()
    }
}

impl Drop for Litestream<'_> {
    fn drop(&mut self) {
        self.replicating.kill().ok();
        self.replicating.wait().ok();
    }
}

/// Returns the commands of the document that restore, with the files of a folder.
fn documented(folder: &Path) -> [String; 3] {
    let blocks = console_blocks(&document("docs/backup.md"), "litestream");
    let here = |line: &str| {
        let line = line.replace(DOCUMENTED, folder.join("gitops-status.db").to_str().unwrap());
        let state = "/var/lib/gitops-status/.gitops-status.db-litestream";
        line.replace(state, folder.join(".gitops-status.db-litestream").to_str().unwrap())
    };
    let lines: Vec<String> = blocks[0].iter().map(|shown| here(&shown.command)).collect();
    lines.try_into().unwrap()
}

/// Litestream copies once a second, and tries again later and later after an error.
const PATIENCE: Duration = Duration::from_mins(2);

fn soon(description: &str, mut condition: impl FnMut() -> bool) {
    let is_met = eventually(PATIENCE, || condition().then_some(()).ok_or(description));
    is_met.unwrap();
}

fn is_pinned(server: &Process) -> bool {
    server.get("/metrics").text().contains("\ngitops_status_database_wal_pinned 1\n")
}

#[test]
fn litestream_copies_the_database_beside_the_server_and_its_copy_is_restored() {
    // Where the tests run as root, the server does not.
    let machine = Machine::new();
    let (folder, database) = (machine.file("data"), machine.database());
    let server = machine.start();
    let litestream = Litestream::beside(&database, &folder);
    let files: Vec<String> = (0..20).map(|file| format!("{file:0>2000}")).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let mut sent = 0;
    let mut update = || {
        let count = sent % 20 + 1;
        server.accept(report("load", &format!("s{}", sent % 7), "OUT_OF_SYNC", &files[..count]));
        sent += 1;
    };
    for _ in 0..100 {
        update();
    }
    let copy = folder.join("copy.db");
    let count = "select count(*) || '' from transitions";
    let has_copied = |litestream: &Litestream<'_>| {
        litestream.restores() && stored(&copy, count) == stored(&database, count)
    };
    soon("all of it is copied", || has_copied(&litestream));

    // As when the storage cannot be reached.
    litestream.signal("STOP");
    soon("the server says that its log is held", || {
        (0..20).for_each(|_| update());
        is_pinned(&server)
    });
    // One that goes on may hold the log for long, so it is started anew.
    drop(litestream);
    let litestream = Litestream::beside(&database, &folder);
    soon("the log is let go", || {
        update();
        // Litestream checkpoints between updates.
        eventually(Duration::from_secs(1), || (!is_pinned(&server)).then_some(()).ok_or(())).is_ok()
    });
    soon("the rest is copied", || has_copied(&litestream));
    server.kill();
    drop(litestream);

    let before = all(&database).0;
    let [_, restore, remove] = documented(&folder);
    let mut restoring = Command::new(env!("CARGO_BIN_EXE_gitops-status-server"));
    succeed(restoring.args(restore.split(' ').skip(1)).current_dir(&folder).env_clear());
    assert_eq!(all(&database).0, before);
    succeed(Command::new("sh").args(["-c", &remove]).current_dir(&folder));

    let server = machine.start();
    let litestream = Litestream::beside(&database, &folder);
    server.accept(report("load", "after-the-restore", "SYNCED", &[]));
    soon("what was reported after the restore is copied", || has_copied(&litestream));
    server.kill();
    assert_eq!(all(&copy).0, all(&database).0);
}
