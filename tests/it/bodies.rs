//! The memory for request bodies and the updates in them.

use std::fs;
use std::io::{ErrorKind, Read, Write};

use crate::support::{Connection, Process, Reply, report, update_request};

/// Returns the most memory in bytes that a process has had so far.
pub(crate) fn peak_memory(server: &Process) -> usize {
    memory(server, "VmHWM:")
}

fn memory(server: &Process, figure: &str) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(figure)).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn a_body_with_millions_of_files_takes_little_more_memory_than_its_bytes() {
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

#[test]
fn clients_that_stop_in_the_middle_of_large_bodies_keep_nobody_out() {
    const SENT: usize = 60 << 20;
    let folder = tempfile::tempdir().unwrap();
    let limits = ["--max-body-bytes", "67108864", "--request-timeout", "1m"];
    let server = Process::start(&folder.path().join("s.db"), &limits);
    let head = update_request("").replace("Content-Length: 0", "Content-Length: 67108864");
    let part = [head.as_bytes(), &vec![b' '; SENT]].concat();
    // Four of these fit. The fifth drops the first, and the sixth drops the second.
    let mut slow: Vec<Connection> = (0..6)
        .map(|_| {
            let mut stream = server.client.connect();
            stream.write_all(&part).unwrap();
            stream
        })
        .collect();
    server.accept(report("r", "small", "SYNCED", &[]));
    server.accept(report("r", "large", "SYNCED", &[&"x".repeat(4000)]));
    for stream in &mut slow[..2] {
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let reply = Reply::parse(&answer).unwrap();
        assert!(reply.header("retry-after").is_some());
        assert!(reply.error(503).contains("bodies"));
    }
    let counted = "gitops_status_overload_total{reason=\"bodies\"} 2\n";
    assert!(server.get("/metrics").text().contains(counted));
    assert!(peak_memory(&server) < 400 << 20, "{}", peak_memory(&server));
    for stream in &mut slow[2..] {
        stream.set_nonblocking(true).unwrap();
        let waits = stream.read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        assert!(waits, "those that fit may go on");
    }
}

#[test]
fn an_announced_length_reserves_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let limits = ["--max-body-bytes", "67108864"];
    let server = Process::start(&folder.path().join("s.db"), &limits);
    let head = update_request("").replace("Content-Length: 0", "Content-Length: 67108864");
    let clients: Vec<Connection> = (0..20)
        .map(|_| {
            let mut stream = server.client.connect();
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    server.accept(report("r", "s", "SYNCED", &[]));
    let none = "gitops_status_overload_total{reason=\"bodies\"} 0\n";
    assert!(server.get("/metrics").text().contains(none));
    drop(clients);
}

#[test]
fn a_start_takes_no_more_memory_than_running_did() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("s.db");
    let server = Process::start(&database, &[""; 0]);
    for number in 0..25 {
        let name = |file: usize| format!("srv/site-{number}/images/{file:05}/{}", "x".repeat(60));
        let files: Vec<String> = (0..9000).map(name).collect();
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        server.accept(report("r", &format!("s{number}"), "OUT_OF_SYNC", &files));
    }
    let running = memory(&server, "VmRSS:");
    server.kill();
    let server = Process::start(&database, &[""; 0]);
    assert_eq!(server.get("/health").json()["tracked_repos"], 25);
    let starting = peak_memory(&server);
    assert!(starting < running, "{starting} bytes after {running}");
}
