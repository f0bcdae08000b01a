//! How the program stops.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::support::{Process, Reply, report, wait_until};

const NO_ARGUMENTS: &[&str] = &[];

#[test]
fn a_stop_under_load_answers_what_it_took_and_loses_nothing() {
    for signal in ["TERM", "INT"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("status.db");
        let mut server = Process::start(&path, NO_ARGUMENTS);
        let client = server.client;
        let is_over = AtomicBool::new(false);
        let acknowledged: Vec<String> = thread::scope(|scope| {
            let writers: Vec<_> = (0..8)
                .map(|writer| {
                    let is_over = &is_over;
                    scope.spawn(move || {
                        let mut acknowledged = Vec::new();
                        for number in 0.. {
                            if is_over.load(Ordering::Relaxed) {
                                break;
                            }
                            let name = format!("{writer}-{number}");
                            let body = report("repo", &name, "SYNCED", &[]);
                            let Ok(mut stream) = std::net::TcpStream::connect(client.address)
                            else {
                                break;
                            };
                            let head = format!(
                                "POST /api/status HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\
                                 Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                                body.len()
                            );
                            let mut answer = Vec::new();
                            stream.write_all((head + &body).as_bytes()).ok();
                            stream.read_to_end(&mut answer).ok();
                            match Reply::parse(&answer) {
                                Some(reply) => {
                                    assert_eq!(reply.status, 200, "{}", reply.text());
                                    acknowledged.push(name);
                                }
                                // The connection was never taken.
                                None => break,
                            }
                        }
                        acknowledged
                    })
                })
                .collect();
            wait_until("there is load", || client.list("").len() > 100);
            server.signal(signal);
            assert_eq!(server.wait().code(), Some(0));
            is_over.store(true, Ordering::Relaxed);
            writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
        });
        assert!(acknowledged.len() > 100);
        assert!(!path.with_extension("db-wal").exists(), "a clean stop leaves no log");
        let server = Process::start(&path, NO_ARGUMENTS);
        let kept = server.names("");
        let is_lost = |name: &&String| !kept.contains(&format!("repo/{name}"));
        assert_eq!(acknowledged.iter().find(is_lost), None);
    }
}

#[test]
fn idle_connections_do_not_hold_up_a_stop() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--shutdown-grace", "1h"];
    let mut server = Process::start(&folder.path().join("status.db"), &arguments);
    let mut idle = server.client.connect();
    idle.write_all(b"GET /livez HTTP/1.1\r\nHost: t\r\n\r\n").unwrap();
    let mut answer = [0; 512];
    assert!(idle.read(&mut answer).unwrap() > 0);
    let _silent = server.client.connect();
    assert_eq!(server.terminate().code(), Some(0));
}

#[test]
fn during_the_delay_the_server_is_unready_and_still_serves() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--shutdown-delay", "3s"];
    let mut server = Process::start(&folder.path().join("status.db"), &arguments);
    assert_eq!(server.get("/readyz").status, 200);
    server.signal("TERM");
    wait_until("it is unready", || server.get("/readyz").status == 503);
    server.accept(report("repo", "server", "SYNCED", &[]));
    assert_eq!(server.get("/livez").status, 200);
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
}
