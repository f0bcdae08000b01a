//! What a power cut leaves after a sync of the log has failed.

use std::fs;

use super::{BROKEN, DATABASE, Disk, LOG, Reporter, health};
use crate::log_size::Foreign;
use crate::support::{Process, report, wait_until};

#[test]
fn an_update_after_a_failed_sync_survives_a_power_cut() {
    update_after_a_failed_sync(|disk, server| {
        disk.mend();
        server
    });
}

#[test]
fn an_update_after_a_failed_sync_and_a_kill_survives_a_power_cut() {
    update_after_a_failed_sync(|disk, server| {
        server.kill();
        disk.mend();
        disk.start()
    });
}

fn update_after_a_failed_sync(recover: impl Fn(&Disk, Process) -> Process) {
    let disk = Disk::new();
    let (server, mut reporter) = (disk.start(), Reporter::default());
    // Few enough that no checkpoint is due.
    reporter.send_all(&server, 5, 200);
    disk.refuse("sync", LOG, BROKEN);
    reporter.send_all(&server, 1, 503);
    // While it reads, the log cannot start over.
    let reader = Foreign::read(&disk.file(DATABASE));
    let server = recover(&disk, server);
    wait_until("it is healthy, without an update", || health(&server)["status"] == "healthy");
    reporter.send_all(&server, 5, 200);
    server.kill();
    let left = disk.after_a_power_cut();
    reader.end();
    let server = left.start();
    reporter.expect_all(&server, "in a power cut");
    reporter.send_all(&server, 5, 200);
    reporter.expect_all_after_a_kill(&left, server, "after a power cut");
}

#[test]
fn a_power_cut_after_a_log_could_not_be_written_anew_leaves_a_sound_database() {
    // The sync of the commit fails, that of its connection's last checkpoint, and that of the log as the
    // next connection writes it anew.
    power_cut_in_a_checkpoint(3, |_, server| Ok(server));
}

#[test]
fn a_power_cut_after_a_start_could_not_write_the_log_anew_leaves_a_sound_database() {
    power_cut_in_a_checkpoint(u32::MAX, |disk, server| {
        server.kill();
        disk.refuse_syncs_then_cut(1);
        Process::try_run(&mut disk.command())
    });
}

#[test]
fn what_only_reads_does_not_copy_a_log_that_could_not_be_written_anew_into_the_database() {
    let disk = Disk::new();
    let (server, mut reporter) = (disk.start(), Reporter::default());
    reporter.send_all(&server, 5, 200);
    disk.refuse("sync", LOG, BROKEN);
    reporter.send_all(&server, 1, 503);
    server.kill();
    disk.mend();
    let before = fs::read(disk.file(DATABASE)).unwrap();
    // Its syncs succeed again, which is what a copy of the log into the database begins with.
    disk.refuse("write", LOG, BROKEN);
    let mut server = disk.start();
    server.get("/api/backup").error(503);
    assert_eq!(server.get("/api/history").status, 200);
    assert_eq!(server.terminate().code(), Some(0));
    assert!(fs::read(disk.file(DATABASE)).unwrap() == before);
    let left = disk.after_a_power_cut();
    let server = left.start();
    reporter.expect_all(&server, "after a power cut");
    reporter.send_all(&server, 5, 200);
    reporter.expect_all_after_a_kill(&left, server, "after a power cut");
}

/// An update whose sync fails changes old pages of the database and adds hundreds. The disk fails so many
/// syncs of the log.
fn power_cut_in_a_checkpoint(
    failures: u32,
    recover: impl Fn(&Disk, Process) -> Result<Process, String>,
) {
    let disk = Disk::new();
    let (mut server, mut reporter) = (disk.start(), Reporter::default());
    reporter.send_all(&server, 20, 200);
    assert_eq!(server.terminate().code(), Some(0));
    let server = disk.start();
    // The log has a commit, and few of the old pages.
    reporter.send_all(&server, 1, 200);
    disk.refuse_syncs_then_cut(failures);
    let files: Vec<String> = (0..8000).map(|file| format!("{file:0100}")).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let update = report("repo", "server-00001", "OUT_OF_SYNC", &files);
    let head = "POST /api/status HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n";
    let head = format!("{head}Connection: close\r\nContent-Length: {}\r\n\r\n", update.len());
    // The power may be cut before it is answered.
    let answer = server.raw(&[head.as_bytes(), update.as_ref()].concat());
    assert!(answer.is_none_or(|answer| answer.status == 503));
    if let Ok(mut server) = recover(&disk, server) {
        wait_until("it is healthy, or the power was cut", || {
            server.try_wait().is_some() || is_healthy(&server)
        });
        if server.try_wait().is_none() {
            server.signal("TERM");
        }
        assert_eq!(server.wait().code(), None, "the power was cut in the last checkpoint");
    }
    let left = disk.after_a_power_cut();
    let server = left.start();
    reporter.expect_all(&server, "in a power cut");
    reporter.send_all(&server, 5, 200);
    reporter.expect_all_after_a_kill(&left, server, "after a power cut");
}

/// Whether it answers that it is healthy.
fn is_healthy(server: &Process) -> bool {
    let answer = server.raw(b"GET /health HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    answer.is_some_and(|answer| answer.json()["status"] == "healthy")
}
