//! System calls show that each update is synced before its 200.

use std::fs;
use std::process::{Command, Stdio};

use crate::support::{Process, is_traced, report, wait_until};

/// How many updates are sent, one after the other.
const UPDATES: usize = 30;

/// Sends updates one after the other, and returns the program's system calls that sync and answer.
fn calls() -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(&folder.path().join("status.db"), &[] as &[&str]);
    let trace = folder.path().join("trace");
    let mut tracer = Command::new("strace")
        .args(["-f", "-e", "trace=fsync,fdatasync,write,writev,sendto,sendmsg", "-s", "16", "-o"])
        .arg(&trace)
        .args(["-p", &server.id().to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("strace is needed, which `scripts/test` installs");
    wait_until("the program is traced", || is_traced(server.id()));
    for number in 0..UPDATES {
        server.accept(report("repo", &number.to_string(), "SYNCED", &[]));
    }
    Command::new("kill").args(["-s", "INT", &tracer.id().to_string()]).status().unwrap();
    tracer.wait().unwrap();
    fs::read_to_string(&trace).unwrap().lines().map(str::to_owned).collect()
}

fn is_sync(call: &str) -> bool {
    call.contains("sync(") || call.contains("sync resumed")
}

#[test]
fn every_200_comes_after_a_sync_of_its_own() {
    let mut synced = false;
    let mut answers = 0;
    for call in calls() {
        if is_sync(&call) {
            // strace splits a call when another thread interrupts; it ends where it is resumed.
            synced |= call.ends_with("= 0");
        } else if call.contains("HTTP/1.1 200") {
            assert!(synced, "an answer without a sync before it: {call}");
            (synced, answers) = (false, answers + 1);
        }
    }
    assert_eq!(answers, UPDATES);
}

/// Syncing metadata too would be as safe, but slower; it means that `.cargo/config.toml` is ignored.
#[test]
fn a_sync_writes_data_without_metadata() {
    let calls = calls();
    let syncs: Vec<&String> = calls.iter().filter(|call| is_sync(call)).collect();
    assert!(syncs.len() >= UPDATES, "{syncs:?}");
    assert!(!syncs.iter().any(|call| call.contains("fsync")), "{syncs:?}");
}
