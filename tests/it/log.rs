//! What the log says, and what nobody can make it say.

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
