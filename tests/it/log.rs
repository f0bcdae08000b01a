//! The lines of the log: their content, and that they cannot be forged or block the program.

use std::fs;
use std::io::{BufRead, BufReader, PipeReader};

use crate::support::{Client, Events, Process, report, wait_until};

const NO_ARGUMENTS: &[&str] = &[];

#[test]
fn an_update_is_logged_as_in_the_original_and_repeats_are_not_logged() {
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
fn the_log_says_where_people_reach_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let flag = "--external-url=https://example.org/gitops/";
    let server = Process::start(&folder.path().join("status.db"), &[flag]);
    assert!(server.log().contains("External URL: https://example.org/gitops\n"));
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
fn each_request_is_logged_with_its_route_once_rust_log_asks_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Process::command(&folder.path().join("status.db"));
    let server = Process::run(command.env("RUST_LOG", "requests=debug"));
    server.accept(report("repo", "server", "SYNCED", &[]));
    let (stream, _) = Events::open(&server, "/api/events", &[]);
    let list = server.get("/status.json").body.len();
    server.send("HEAD", "/status.json", &[], b"");
    server.get("/assets/secret?token=secret");
    server.send("BREW", "/pot", &[], b"");
    for line in [
        "DEBUG] POST /api/status from 127.0.0.1: 200, ".to_owned(),
        format!("DEBUG] GET /status.json from 127.0.0.1: 200, {list} bytes, "),
        "DEBUG] HEAD /status.json from 127.0.0.1: 200, 0 bytes, ".to_owned(),
        "DEBUG] GET /assets/{name} from 127.0.0.1: 404, ".to_owned(),
        "DEBUG] other none from 127.0.0.1: 404, ".to_owned(),
        "INFO ] Status update: repo:server -> SYNCED".to_owned(),
    ] {
        wait_until(&line, || server.log().contains(&line));
    }
    assert!(!server.log().contains("secret"));
    assert!(!server.log().contains("/api/events"), "it has not ended");
    drop(stream);
    let line = "DEBUG] GET /api/events from 127.0.0.1: 200, ";
    let mut status = ["OUT_OF_SYNC", "SYNCED"].into_iter().cycle();
    wait_until("the stream has ended", || {
        server.accept(report("repo", "server", status.next().unwrap(), &[]));
        server.log().contains(line)
    });
}

#[test]
fn a_request_that_fails_by_the_store_is_logged_once_with_the_cause_and_others_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("status.db");
    let server = Process::start(&database, NO_ARGUMENTS);
    server.accept(report("repo", "server", "SYNCED", &[]));
    fs::rename(&database, database.with_extension("away")).unwrap();
    assert_eq!(server.get("/api/history").status, 503);
    assert_eq!(server.get("/entry?repo=repo&server=server").status, 200);
    let cause = "from 127.0.0.1 failed: the history cannot be read: \
                 the database file was removed or replaced while it was open\n";
    for target in ["/api/history", "/entry"] {
        let line = format!("ERROR] GET {target} {cause}");
        wait_until(&line, || server.log().contains(&line));
    }
    assert_eq!(server.log().matches("cannot be read").count(), 2, "{}", server.log());
    assert!(!server.log().contains("127.0.0.1: "), "{}", server.log());
}

#[test]
fn a_wrong_rust_log_is_reported_and_the_default_stays() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Process::command(&folder.path().join("status.db"));
    let server = Process::run(command.env("RUST_LOG", "actix_server=error,loud=very"));
    server.accept(report("repo", "server", "SYNCED", &[]));
    wait_until("the update is logged", || server.log().contains("Status update: repo:server"));
    assert!(server.log().contains("WARN ] RUST_LOG is invalid and ignored: "), "{}", server.log());
}

#[test]
fn a_wrong_rust_log_and_a_log_on_a_full_disk_do_not_stop_the_start() {
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

/// Sends updates until their log lines have filled the pipe and the queue.
pub fn send_more_than_the_log_takes(server: &Client) {
    let dropped = dropped(server);
    let repo = "\u{10ffff}".repeat(255);
    for round in 0.. {
        let status = if round % 2 == 0 { "OUT_OF_SYNC" } else { "SYNCED" };
        for number in 0..100 {
            server.accept(report(&repo, &format!("{number}"), status, &[]));
        }
        if self::dropped(server) > dropped + 100 {
            // An update is logged after its answer, and before the answer to the next one. A repeat is not
            // logged.
            server.accept(report(&repo, "99", status, &[]));
            return;
        }
        assert!(round < 100, "nothing was dropped");
    }
}

/// Returns the number of lines that the log has lost.
pub fn dropped(server: &Client) -> u64 {
    let metrics = server.get("/metrics").text();
    let name = "\ngitops_status_log_lines_dropped_total ";
    let (_, rest) = metrics.split_once(name).unwrap();
    rest.lines().next().unwrap().parse().unwrap()
}

fn start_unread(folder: &tempfile::TempDir) -> (Process, BufReader<PipeReader>) {
    let mut command = Process::command(&folder.path().join("status.db"));
    Process::run_unread(command.args(["--shutdown-grace", "5s"]))
}

#[test]
fn updates_are_answered_and_a_stop_works_while_nobody_reads_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let (mut server, log) = start_unread(&folder);
    send_more_than_the_log_takes(&server);
    assert_eq!(server.get("/health").json()["status"], "healthy");
    assert_eq!(server.list("?limit=1000").len(), 100);
    assert_eq!(server.terminate().code(), Some(0));
    drop(log);
}

#[test]
fn a_log_that_is_read_again_says_how_many_lines_are_missing_and_has_the_rest_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let (mut server, mut log) = start_unread(&folder);
    send_more_than_the_log_takes(&server);
    let missing = dropped(&server);
    let mut seen = String::new();
    let gap = format!("WARN ] {missing} lines of the log are missing here\n");
    while !seen.ends_with(&gap) {
        assert!(log.read_line(&mut seen).unwrap() > 0, "the log ended");
    }
    server.accept(report("after", "the gap", "SYNCED", &[]));
    server.signal("TERM");
    let read = std::thread::spawn(move || {
        let lines: Vec<String> = log.lines().map(Result::unwrap).collect();
        lines
    });
    assert_eq!(server.wait().code(), Some(0));
    let rest = read.join().unwrap();
    assert!(rest[0].contains("Status update: after:the gap -> SYNCED"), "{rest:?}");
    assert!(rest.last().unwrap().ends_with("INFO ] Stopped"), "{rest:?}");
    assert_eq!(seen.matches("lines of the log are missing").count(), 1);
}

#[test]
fn lines_lost_to_a_broken_pipe_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (mut server, log) = start_unread(&folder);
    drop(log);
    // A process that another test begins has the end of the pipe too for a moment.
    let (mut status, mut sent) = (["OUT_OF_SYNC", "SYNCED"].into_iter().cycle(), 0);
    let mut report_once = || {
        server.accept(report("repo", "server", status.next().unwrap(), &[]));
        sent += 1;
    };
    wait_until("a line is counted", || {
        report_once();
        dropped(&server) > 0
    });
    (0..10).for_each(|_| report_once());
    wait_until("all later ones are counted", || dropped(&server) > 10);
    assert!(dropped(&server) <= sent, "no line is counted twice");
    assert_eq!(server.terminate().code(), Some(0));
}
