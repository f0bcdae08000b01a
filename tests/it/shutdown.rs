//! How the program stops.

use std::io::{Read, Write};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::support::{
    Process, Reply, Transport, begin_update, over_both_transports, report, wait_until,
};

over_both_transports! {
    a_stop_under_load_answers_every_received_request_and_loses_nothing
    idle_connections_do_not_delay_a_stop
    during_the_delay_the_server_is_unready_and_still_serves
    a_client_with_an_incomplete_request_does_not_make_the_stop_a_failure
    a_client_that_does_not_read_its_answer_makes_the_stop_a_failure
    an_unread_stream_of_changes_does_not_make_the_stop_a_failure
    a_second_signal_ends_the_program_at_once_even_during_the_delay
    signals_in_quick_succession_count_as_one
}

const NO_ARGUMENTS: &[&str] = &[];

fn a_stop_under_load_answers_every_received_request_and_loses_nothing(transport: Transport) {
    for signal in ["TERM", "INT"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("status.db");
        let mut server = transport.start(&path, NO_ARGUMENTS);
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
                            let Some(mut stream) = client.try_connect() else {
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
                                // The server never accepted the connection.
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
        let server = transport.start(&path, NO_ARGUMENTS);
        let kept = server.names("");
        let is_lost = |name: &&String| !kept.contains(&format!("repo/{name}"));
        assert_eq!(acknowledged.iter().find(is_lost), None);
    }
}

fn idle_connections_do_not_delay_a_stop(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--shutdown-grace", "1h"];
    let mut server = transport.start(&folder.path().join("status.db"), &arguments);
    let mut idle = server.client.connect();
    idle.write_all(b"GET /livez HTTP/1.1\r\nHost: t\r\n\r\n").unwrap();
    let mut answer = [0; 512];
    assert!(idle.read(&mut answer).unwrap() > 0);
    let _silent = server.client.connect();
    assert_eq!(server.terminate().code(), Some(0));
}

fn during_the_delay_the_server_is_unready_and_still_serves(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--shutdown-delay", "1m"];
    let server = transport.start(&folder.path().join("status.db"), &arguments);
    assert_eq!(server.get("/readyz").status, 200);
    server.signal("TERM");
    wait_until("it is unready", || server.get("/readyz").status == 503);
    server.accept(report("repo", "server", "SYNCED", &[]));
    assert_eq!(server.get("/livez").status, 200);
}

fn a_client_with_an_incomplete_request_does_not_make_the_stop_a_failure(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("status.db");
    let mut server = transport.start(&path, &["--shutdown-grace", "4s"]);
    server.accept(report("repo", "server", "SYNCED", &[]));
    let _slow = begin_update(&server, "{}");
    assert!(path.with_extension("db-wal").exists());
    assert_eq!(server.terminate().code(), Some(0));
    assert!(!path.with_extension("db-wal").exists(), "a clean stop leaves no log");
}

fn a_client_that_does_not_read_its_answer_makes_the_stop_a_failure(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("status.db");
    let mut server = transport.start(&path, &["--shutdown-grace", "4s"]);
    let names: Vec<String> = (0..200).map(|number| format!("{number:0>4000}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for number in 0..30 {
        server.accept(report("repo", &number.to_string(), "OUT_OF_SYNC", &names));
    }
    let mut slow = server.client.connect();
    slow.write_all(b"GET /status.json HTTP/1.1\r\nHost: t\r\n\r\n").unwrap();
    slow.read_exact(&mut [0; 16]).unwrap();
    assert_eq!(server.terminate().code(), Some(1));
    assert!(!path.with_extension("db-wal").exists(), "the database was closed all the same");
    let line = "ERROR] Requests received and not answered within the grace of 4s: 1\n";
    wait_until("the log says so", || server.log().ends_with(line));
}

fn an_unread_stream_of_changes_does_not_make_the_stop_a_failure(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let mut server = transport.start(&folder.path().join("status.db"), &["--shutdown-grace", "2s"]);
    let mut silent = server.client.connect();
    silent.write_all(b"GET /api/events HTTP/1.1\r\nHost: t\r\n\r\n").unwrap();
    silent.read_exact(&mut [0; 16]).unwrap();
    let names: Vec<String> = (0..200).map(|number| format!("{number:0>4000}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for number in 0..30 {
        server.accept(report("repo", &number.to_string(), "OUT_OF_SYNC", &names));
    }
    assert_eq!(server.terminate().code(), Some(0));
}

fn a_second_signal_ends_the_program_at_once_even_during_the_delay(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [["--shutdown-delay", "1h"], ["--shutdown-grace", "1h"]] {
        let mut server = transport.start(&folder.path().join("status.db"), &arguments);
        let _slow = begin_update(&server, "{}");
        server.signal("TERM");
        let mut status = None;
        wait_until("it ends", || {
            server.signal("INT");
            status = server.try_wait();
            status.is_some()
        });
        assert_eq!(status.unwrap().code(), Some(1));
        let line = "ERROR] Stopped at once by a second signal\n";
        wait_until("the log says so", || server.log().ends_with(line));
    }
}

fn signals_in_quick_succession_count_as_one(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--shutdown-delay", "2s", "--admin-listen", "127.0.0.1:0"];
    let mut server = transport.start(&folder.path().join("status.db"), &arguments);
    let id = server.id();
    let both = format!("kill -s TERM {id}; kill -s INT {id}; kill -s TERM {id}");
    assert!(Command::new("sh").args(["-c", &both]).status().unwrap().success());
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn sighup_and_user_signals_do_not_end_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Process::start(&folder.path().join("status.db"), NO_ARGUMENTS);
    for signal in ["USR1", "USR2", "HUP"] {
        server.signal(signal);
    }
    wait_until("it is logged", || server.log().contains("INFO ] SIGHUP: reloading"));
    server.accept(report("repo", "server", "SYNCED", &[]));
    assert_eq!(server.terminate().code(), Some(0));
}
