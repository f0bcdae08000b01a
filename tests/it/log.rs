//! What the log says, and what nobody can make it say.

use std::fs;

use crate::support::{Process, report, wait_until};

const NO_ARGUMENTS: &[&str] = &[];

#[test]
fn an_update_is_logged_as_in_the_original_and_repeats_are_quiet() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(&folder.path().join("status.db"), NO_ARGUMENTS);
    for _ in 0..3 {
        server.accept(report("rsyslog", "rsyslog-lab", "OUT_OF_SYNC", &["a", "b"]));
    }
    server.accept(report("rsyslog", "rsyslog-lab", "SYNCED", &[]));
    let line = "Status update: rsyslog:rsyslog-lab -> SYNCED (drift_count: 0)\n";
    wait_until("the last update is logged", || server.log().contains(line));
    let line = "INFO ] Status update: rsyslog:rsyslog-lab -> OUT_OF_SYNC (drift_count: 2)\n";
    assert_eq!(server.log().matches(line).count(), 1);
}

#[test]
fn no_name_can_forge_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(&folder.path().join("status.db"), NO_ARGUMENTS);
    server.accept(report("a\u{2028}b", "\u{202e}c\u{200b}", "SYNCED", &[]));
    let line = "Status update: a\\u{2028}b:\\u{202e}c\\u{200b} -> SYNCED (drift_count: 0)\n";
    wait_until("the update is logged", || server.log().contains(line));
}

#[test]
fn a_wrong_rust_log_is_told_and_leaves_the_default() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Process::command(&folder.path().join("status.db"));
    let server = Process::run(command.env("RUST_LOG", "actix_server=error,loud=very"));
    server.accept(report("repo", "server", "SYNCED", &[]));
    wait_until("the update is logged", || server.log().contains("Status update: repo:server"));
    assert!(server.log().contains("WARN ] RUST_LOG is not taken: "), "{}", server.log());
}

#[test]
fn a_wrong_rust_log_and_a_full_disk_behind_the_log_do_not_stop_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("status.db");
    fs::write(&path, b"this is no database").unwrap();
    let mut command = Process::command(&path);
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut child = command.env("RUST_LOG", "loud=very").stderr(full).spawn().unwrap();
    let mut status = None;
    wait_until("the program refuses the database", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    assert_eq!(status.unwrap().code(), Some(65));
}
