//! The log of a program that was killed may hold what the disk lacks: its last sync may have failed.

use std::fs;
use std::time::{Duration, Instant};

use super::{BROKEN, DATABASE, Disk, LOG, Reporter, health};
use crate::log_size::Foreign;
use crate::support::{OLDER, Process, run_sql, wait_until};

/// The size of a frame of the log, and of the header before the first.
const FRAME: usize = 24 + 4096;
const HEADER: usize = 32;

/// Leaves updates in a log of which the disk has nothing.
fn killed() -> (Disk, Reporter) {
    let (disk, mut reporter) = (Disk::new(), Reporter::default());
    // Without the shim, which knows what is on disk.
    let server = Process::start(&disk.file(DATABASE), &["--workers", "1"]);
    reporter.send_all(&server, 20, 200);
    server.kill();
    (disk, reporter)
}

/// Runs the program until its first write to the database, and asserts that the disk has all of the log
/// then.
fn cut_off_in_a_checkpoint(disk: &Disk, arguments: &[&str]) {
    disk.refuse("cut", DATABASE, 1);
    let (status, said) = Process::run_to_end(disk.command().args(arguments));
    assert_eq!(status.code(), None, "it was to write to the database: {said}");
    let [on_disk, log] = ["on-disk", LOG].map(|name| fs::read(disk.file(name)).unwrap());
    assert!(on_disk == log, "the disk has {} bytes of {}", on_disk.len(), log.len());
    disk.mend();
}

#[test]
fn a_compaction_puts_a_log_that_was_left_on_disk_before_the_database_changes() {
    let (disk, reporter) = killed();
    cut_off_in_a_checkpoint(&disk, &["compact"]);
    let server = disk.start();
    reporter.expect_all_after_a_kill(&disk, server, "in a compaction");
}

#[test]
fn an_upgrade_puts_a_log_that_was_left_on_disk_before_the_database_changes() {
    let (disk, reporter) = killed();
    // While it reads, nothing is copied from the log; nor may it do so at its end.
    let reader = Foreign::read(&disk.file(DATABASE));
    run_sql(&disk.file(DATABASE), OLDER);
    reader.end();
    cut_off_in_a_checkpoint(&disk, &[]);
    let server = disk.start();
    reporter.expect_all_after_a_kill(&disk, server, "in an upgrade");
}

#[test]
fn a_start_puts_a_damaged_log_on_disk_before_the_database_changes() {
    let (disk, _) = killed();
    let mut log = fs::read(disk.file(LOG)).unwrap();
    let middle = (log.len() - HEADER) / FRAME / 2;
    log[HEADER + middle * FRAME + 1000] ^= 1;
    fs::write(disk.file(LOG), log).unwrap();
    cut_off_in_a_checkpoint(&disk, &[]);
    let server = disk.start();
    assert!(server.log().contains("are lost"), "{}", server.log());
}

#[test]
fn a_start_that_cannot_store_is_degraded_without_an_update_and_tries_once_a_second() {
    let (disk, mut reporter) = killed();
    // While it reads, no checkpoint removes the log.
    let reader = Foreign::read(&disk.file(DATABASE));
    disk.refuse("write", LOG, BROKEN);
    let server = disk.start();
    wait_until("it is degraded", || health(&server)["status"] == "degraded");
    let (began, before) = (Instant::now(), disk.refusals());
    wait_until("it has tried again", || disk.refusals() >= before + 4);
    let took = began.elapsed();
    assert!(took > Duration::from_secs(2), "four attempts in {took:?}");
    disk.mend();
    wait_until("it is healthy, without an update", || health(&server)["status"] == "healthy");
    reader.end();
    reporter.send_all(&server, 5, 200);
    reporter.expect_all_after_a_kill(&disk, server, "after a start that could not store");
}
