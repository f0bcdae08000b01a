//! A 200 means that the disk has been told to keep the update: seen from the system calls.

use std::fs;
use std::process::{Command, Stdio};

use crate::support::{Process, is_traced, report, wait_until};

/// How many updates are sent, one after the other.
const UPDATES: usize = 30;

#[test]
fn every_200_comes_after_a_sync_of_its_own() {
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

    let mut synced = false;
    let mut answers = 0;
    for line in fs::read_to_string(&trace).unwrap().lines() {
        if line.contains("sync(") || line.contains("sync resumed") {
            // A call that is cut in two by another thread has ended where it is resumed.
            synced |= line.ends_with("= 0");
            // It would be as safe, but slower: then `.cargo/config.toml` is not in force.
            assert!(!line.contains("fsync"), "more than the data is written: {line}");
        } else if line.contains("HTTP/1.1 200") {
            assert!(synced, "an answer without a sync before it: {line}");
            (synced, answers) = (false, answers + 1);
        }
    }
    assert_eq!(answers, UPDATES);
}
