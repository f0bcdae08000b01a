//! What bodies of requests may take in memory.

use std::fs;

use crate::support::{Process, report};

/// Returns the most memory in bytes that a process has had so far.
fn peak_memory(server: &Process) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn a_body_with_millions_of_files_takes_hardly_more_memory_than_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(&folder.path().join("s.db"), &["--max-body-bytes", "20000000"]);
    server.accept(report("r", "s", "SYNCED", &[]));
    let before = peak_memory(&server);
    let empty = report("r", "s", "OUT_OF_SYNC", &[]);
    let (start, end) = empty.split_once("\"files\":[").unwrap();
    let elements = vec!["{}"; 4_000_000].join(",");
    let body = format!("{start}\"files\":[{elements}{end}");
    let reply = server.post(&body);
    assert!(reply.error(400).starts_with("files must be an array of at most 10000"));
    let took = peak_memory(&server) - before;
    assert!(took < 3 * body.len(), "{took} bytes for a body of {}", body.len());
}
