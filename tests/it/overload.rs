//! Expensive reads are limited, and cancelled when their client leaves.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{
    Client, Connection, Process, Reply, report, run_sql, update_request, wait_until,
};

/// Fills a server with names that nearly match [`heavy`], in few updates.
fn filled(folder: &tempfile::TempDir) -> Process {
    let server = Process::start(&folder.path().join("status.db"), &[] as &[&str]);
    let files: Vec<String> = (0..1000).map(|file| format!("{}{file:03}", "a".repeat(40))).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    for number in 0..50 {
        server.accept(report("r", &format!("s{number}"), "OUT_OF_SYNC", &files));
    }
    server
}

/// A query that matches nothing and takes a core for seconds.
fn heavy() -> String {
    let patterns = (0..100).map(|number| format!("*a*a*a*a*a*a*a*a*a*b{number:02}"));
    format!("/status.json?file={}", patterns.collect::<Vec<_>>().join(","))
}

fn ask(client: &Client, target: &str) -> Connection {
    let mut stream = client.connect();
    write!(stream, "GET {target} HTTP/1.1\r\nHost: t\r\n\r\n").unwrap();
    stream
}

fn answer(stream: &mut Connection) -> Reply {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    Reply::parse(&answer).unwrap()
}

/// The CPU time of a process, in clock ticks.
fn time_used(server: &Process) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", server.id())).unwrap();
    let behind_name = stat.rsplit_once(')').unwrap().1;
    // proc(5) numbers the fields; the first one after the name is field 3.
    let field = |number: usize| behind_name.split_whitespace().nth(number - 3).unwrap();
    field(14).parse::<u64>().unwrap() + field(15).parse::<u64>().unwrap()
}

/// Waits until a process uses no CPU for a while.
pub(crate) fn wait_for_rest(server: &Process) {
    let (mut used, mut quiet_turns) = (0, 0);
    wait_until("the process is idle", || {
        let now = time_used(server);
        // A tick is ten milliseconds, and so is an iteration of this loop.
        quiet_turns = if now > used + 1 { 0 } else { quiet_turns + 1 };
        used = now;
        quiet_turns > 30
    });
}

#[test]
fn the_server_is_idle_soon_after_clients_with_heavy_queries_have_left() {
    let folder = tempfile::tempdir().unwrap();
    let server = filled(&folder);
    let questions: Vec<Connection> = (0..50).map(|_| ask(&server, &heavy())).collect();
    let before = time_used(&server);
    wait_until("the server works on the queries", || time_used(&server) > before + 20);
    drop(questions);
    wait_for_rest(&server);
}

/// Returns the niceness of each thread of a process, with its name.
fn niceness(server: &Process) -> Vec<(String, i64)> {
    let threads = fs::read_dir(format!("/proc/{}/task", server.id())).unwrap();
    let stats = threads.filter_map(|thread| {
        // A thread may end meanwhile.
        fs::read_to_string(thread.ok()?.path().join("stat")).ok()
    });
    let named = stats.map(|stat| {
        let (start, rest) = stat.rsplit_once(')').unwrap();
        let name = start.split_once('(').unwrap().1.to_owned();
        (name, rest.split_whitespace().nth(19 - 3).unwrap().parse().unwrap())
    });
    named.collect()
}

#[test]
fn heavy_queries_leave_the_processors_to_everything_else() {
    let folder = tempfile::tempdir().unwrap();
    let server = filled(&folder);
    let usual = niceness(&server).iter().map(|(_, nice)| *nice).max().unwrap();
    let questions: Vec<Connection> = (0..4).map(|_| ask(&server, &heavy())).collect();
    wait_until("the server works on the queries", || {
        niceness(&server).iter().filter(|(name, _)| name == "long read").count() >= 2
    });
    wait_until("they leave the processors to others", || {
        let all = niceness(&server);
        let (long, others): (Vec<_>, Vec<_>) =
            all.iter().partition(|(name, _)| name == "long read");
        assert!(others.iter().all(|(_, nice)| *nice == usual), "{others:?}");
        long.len() >= 2 && long.iter().all(|(_, nice)| *nice == usual + 5)
    });
    drop(questions);
    wait_for_rest(&server);
    assert!(niceness(&server).iter().all(|(name, _)| name != "long read"));
}

#[test]
fn pages_and_counts_do_not_wait_for_heavy_queries() {
    let folder = tempfile::tempdir().unwrap();
    let server = filled(&folder);
    for number in 0..2100 {
        server.accept(report("small", &format!("s{number}"), "SYNCED", &[]));
    }
    let before = time_used(&server);
    let questions: Vec<Connection> = (0..400).map(|_| ask(&server, &heavy())).collect();
    wait_until("the server works on the queries", || time_used(&server) > before + 20);
    for target in ["/", "/entry?repo=small&server=s7", "/api/summary", "/api/repos"] {
        let reply = server.get(target);
        assert_eq!(reply.status, 200, "{target}: {}", reply.text());
    }
    drop(questions);
    wait_for_rest(&server);
}

/// Many transitions of many pairs, none of which a search for `nosuchthing` finds.
const LONG_HISTORY: &str = "\
    with recursive number (n) as (select 1 union all select n + 1 from number where n < 200000) \
    insert into transitions select n, 1700000000000 + n, 1, 'r' || (n % 300), 's', 'changed', 'SYNCED', \
        0, '[]', 0, '[]', 0, null, null, null from number";

#[test]
fn a_query_about_one_entrys_past_does_not_wait_for_long_ones_and_those_end_with_their_clients() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("status.db");
    drop(Process::start(&database, &[] as &[&str]));
    run_sql(&database, LONG_HISTORY);
    let server = Process::start(&database, &["--history-retention", "0"]);
    let before = time_used(&server);
    let questions: Vec<Connection> =
        (0..50).map(|_| ask(&server, "/api/history?q=nosuchthing")).collect();
    wait_until("the server works on the queries", || time_used(&server) > before + 20);
    for target in [
        "/api/history?repo=r7&server=s&limit=5",
        "/api/timeline?repo=r7&server=s&from=2020-01-01T00:00:00Z",
    ] {
        let reply = server.get(target);
        assert_eq!(reply.status, 200, "{target}: {}", reply.text());
        assert!(reply.text().contains("r7"), "{target}: {}", reply.text());
    }
    assert_eq!(server.get("/entry?repo=r7&server=s").status, 200);
    drop(questions);
    wait_for_rest(&server);
}

#[test]
fn a_heavy_query_of_a_half_closed_connection_is_cancelled_and_an_update_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let server = filled(&folder);
    let mut asking = ask(&server, &heavy());
    asking.shutdown(Shutdown::Write).unwrap();
    let reply = answer(&mut asking);
    assert!(reply.error(503).contains("closed"), "{}", reply.text());
    assert!(reply.header("retry-after").is_some());
    let mut updating = server.connect();
    updating.write_all(update_request(&report("r", "last", "SYNCED", &[])).as_bytes()).unwrap();
    updating.shutdown(Shutdown::Write).unwrap();
    assert_eq!(answer(&mut updating).status, 200);
    assert_eq!(server.names("?server=last"), ["r/last"]);
    let mut asking = ask(&server, "/livez");
    asking.shutdown(Shutdown::Write).unwrap();
    assert_eq!(answer(&mut asking).status, 200, "what takes no time is answered all the same");
}

#[test]
fn heavy_queries_beyond_the_queue_are_answered_503_and_updates_are_stored_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let server = filled(&folder);
    let mut questions: Vec<Connection> = (0..600).map(|_| ask(&server, &heavy())).collect();
    wait_until("some are refused and counted", || {
        let metrics = server.get("/metrics").text();
        !metrics.contains("gitops_status_overload_total{reason=\"reads\"} 0\n")
    });
    server.accept(report("r", "meanwhile", "SYNCED", &[]));
    assert_eq!(server.get("/livez").status, 200);
    assert_eq!(server.names("?server=meanwhile"), ["r/meanwhile"]);
    let (mut refused, mut piece) = (None, [0; 4096]);
    wait_until("one of them has its answer", || {
        refused = questions.iter_mut().find_map(|stream| {
            stream.set_nonblocking(true).unwrap();
            let count = stream.read(&mut piece).ok()?;
            Reply::parse(&piece[..count])
        });
        refused.is_some()
    });
    let refused = refused.unwrap();
    refused.error(503);
    assert!(refused.header("retry-after").is_some());
}

/// A user other than root, whom limits of threads do not bind.
const SOMEBODY: u32 = 47_110;

/// Starts the program as somebody whom limits of threads bind, and returns who that is.
fn start_bound(folder: &Path) -> (Process, Option<u32>) {
    let user = rustix::process::getuid().is_root().then_some(SOMEBODY);
    chown(folder, user, None).unwrap();
    let server = Process::command(&folder.join("status.db"));
    let program = folder.join("server");
    Process::copy_to(&program);
    let mut command = Command::new(program);
    command.env_clear().args(server.get_args()).args(["--admin-listen", "127.0.0.1:0"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    user.map(|user| command.uid(user));
    (Process::run(&mut command), user)
}

/// Sets how many threads the user of a process may have.
fn limit_threads(server: &Process, user: Option<u32>, most: &str) {
    let mut command = Command::new("prlimit");
    command.args(["--pid", &server.id().to_string(), &format!("--nproc={most}:")]);
    user.map(|user| command.uid(user));
    assert!(command.status().unwrap().success());
}

#[test]
fn where_the_system_starts_no_threads_short_reads_go_on_and_long_ones_are_answered_503() {
    let folder = tempfile::tempdir().unwrap();
    let (server, user) = start_bound(folder.path());
    server.accept(report("r", "s", "SYNCED", &[]));
    limit_threads(&server, user, "0");
    for _ in 0..2 {
        server.accept(report("r", "s", "OUT_OF_SYNC", &["f"]));
        assert_eq!(server.admin().get("/metrics").status, 200);
        for path in ["/metrics", "/", "/status.json", "/openapi.json", "/health"] {
            assert_eq!(server.get(path).status, 200, "{path}");
        }
        let reply = server.get("/api/history");
        assert!(reply.error(503).contains("try again"));
        assert_eq!(reply.header("retry-after"), Some("5"));
    }
    server.expect_logged_once("No thread could be started");
    assert!(!server.log().contains("Panic"), "{}", server.log());
    limit_threads(&server, user, "1000");
    for path in ["/metrics", "/api/history"] {
        assert_eq!(server.get(path).status, 200, "{path} after the limit was raised");
    }
    assert_eq!(server.admin().get("/metrics").status, 200);
}
