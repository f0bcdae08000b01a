//! More connections than there is room for.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::{
    Client, Connection, Events, Process, Reply, Transport, over_both_transports, report,
    update_request, wait_until,
};

over_both_transports! {
    an_update_is_accepted_at_once_when_idle_clients_have_all_connections
    a_client_that_asks_again_and_again_is_not_the_first_to_go
    streams_and_requests_in_progress_are_not_closed_for_others
    when_every_connection_is_busy_the_next_answer_makes_room
    clients_that_do_not_read_their_answers_give_way_too
    a_request_on_a_connection_that_is_just_being_closed_is_not_answered_as_cancelled
    with_a_low_limit_of_open_files_many_clients_are_still_served
    an_address_has_no_more_connections_than_it_may
    connections_that_are_idle_for_too_long_are_closed_and_counted
}

/// Arguments for few connections, some of which have half sent an update for up to a minute.
const WITH_HALVES: [&str; 6] =
    ["--max-connections", "16", "--idle-timeout", "1h", "--request-timeout", "1m"];

const LIVEZ: &[u8] = b"GET /livez HTTP/1.1\r\nHost: t\r\n\r\n";

/// Starts the program with arguments; the folder has its database.
fn start(transport: Transport, arguments: &[&str]) -> (TempDir, Process) {
    let folder = tempfile::tempdir().unwrap();
    let server = transport.start(&folder.path().join("status.db"), arguments);
    (folder, server)
}

/// Opens a connection that has had one answer and stays open.
fn idle_client(server: &Client) -> Connection {
    let mut stream = server.connect();
    ask_again(&mut stream);
    stream
}

fn ask_again(stream: &mut Connection) {
    stream.write_all(LIVEZ).unwrap();
    assert_eq!(Reply::read(stream).unwrap().status, 200);
}

/// Whether the server has closed a connection without a request in progress.
fn is_closed(stream: &mut Connection) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    let is_closed = matches!(stream.read(&mut [0]), Ok(0));
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    is_closed
}

/// Sends an update without its last byte.
fn half_an_update(server: &Client, name: &str) -> Connection {
    let mut stream = server.connect();
    let request = update_request(&report("half", name, "SYNCED", &[]));
    stream.write_all(&request.as_bytes()[..request.len() - 1]).unwrap();
    stream
}

fn metric(server: &Client, name: &str) -> f64 {
    let text = server.get("/metrics").text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
}

fn closed(server: &Client, reason: &str) -> f64 {
    metric(server, &format!("gitops_status_connections_closed_total{{reason=\"{reason}\"}}"))
}

fn an_update_is_accepted_at_once_when_idle_clients_have_all_connections(transport: Transport) {
    let (_folder, server) = start(transport, &["--max-connections", "16", "--idle-timeout", "1h"]);
    let mut clients: Vec<Connection> = (0..100).map(|_| idle_client(&server)).collect();
    server.accept(report("r", "s", "SYNCED", &[]));
    assert!(closed(&server, "full") >= 84.0);
    assert!((metric(&server, "gitops_status_connections_capacity") - 16.0).abs() < 0.1);
    wait_until("the excess connections are closed", || {
        metric(&server, "gitops_status_connections") <= 16.0
    });
    // The newest connections have been idle for the shortest time.
    let open: Vec<bool> = clients.iter_mut().map(|stream| !is_closed(stream)).collect();
    let first_open = open.iter().position(|&is_open| is_open).unwrap();
    assert!(first_open >= 84, "{open:?}");
    assert!(open[first_open..].iter().all(|&is_open| is_open), "{open:?}");
    ask_again(clients.last_mut().unwrap());
}

fn a_client_that_asks_again_and_again_is_not_the_first_to_go(transport: Transport) {
    let (_folder, server) = start(transport, &["--max-connections", "16", "--idle-timeout", "1h"]);
    let mut busy = idle_client(&server);
    for _ in 0..50 {
        idle_client(&server);
        ask_again(&mut busy);
    }
    let others: Vec<Connection> = (0..10).map(|_| idle_client(&server)).collect();
    ask_again(&mut busy);
    drop(others);
}

fn streams_and_requests_in_progress_are_not_closed_for_others(transport: Transport) {
    let (_folder, server) = start(transport, &WITH_HALVES);
    let mut streams: Vec<Events> =
        (0..8).map(|_| Events::open(&server, "/api/events", &[]).0).collect();
    let mut halves: Vec<Connection> =
        (0..4).map(|number| half_an_update(&server, &format!("s{number}"))).collect();
    let clients: Vec<Connection> = (0..60).map(|_| idle_client(&server)).collect();
    for half in &mut halves {
        half.write_all(b"}").unwrap();
        assert_eq!(Reply::read(half).unwrap().status, 200);
    }
    for stream in &mut streams {
        assert_eq!(stream.next().unwrap().0, "entry");
    }
    drop(clients);
}

fn when_every_connection_is_busy_the_next_answer_makes_room(transport: Transport) {
    let (_folder, server) = start(transport, &WITH_HALVES);
    // The next client would be accepted before another has left.
    let mut halves: Vec<Connection> =
        (0..17).map(|number| half_an_update(&server, &format!("s{number}"))).collect();
    let mut waiting = server.connect();
    waiting.write_all(update_request(&report("r", "waiting", "SYNCED", &[])).as_bytes()).unwrap();
    let mut half = halves.remove(3);
    half.write_all(b"}").unwrap();
    let reply = Reply::read(&mut half).unwrap();
    assert_eq!((reply.status, reply.header("connection")), (200, Some("close")));
    assert_eq!(Reply::read(&mut waiting).unwrap().status, 200);
    for half in &mut halves {
        half.write_all(b"}").unwrap();
        assert_eq!(Reply::read(half).unwrap().status, 200);
    }
    assert_eq!(server.list("").len(), 18);
}

fn clients_that_do_not_read_their_answers_give_way_too(transport: Transport) {
    let (_folder, server) = start(transport, &["--max-connections", "16", "--idle-timeout", "1h"]);
    let unread: Vec<Connection> = (0..40)
        .filter_map(|_| {
            let mut stream = server.try_connect()?;
            // Its last request is incomplete, so the connection looks idle.
            let requests = [LIVEZ.repeat(20).as_slice(), b"GET /livez HTTP/1.1\r\nX: "].concat();
            stream.write_all(&requests).ok()?;
            Some(stream)
        })
        .collect();
    server.accept(report("r", "s", "SYNCED", &[]));
    drop(unread);
}

fn a_request_on_a_connection_that_is_just_being_closed_is_not_answered_as_cancelled(
    transport: Transport,
) {
    let (_folder, server) = start(transport, &["--max-connections", "16", "--workers", "1"]);
    server.accept(report("r", "s", "SYNCED", &[]));
    let ask_on = || {
        let mut stream = None;
        for _ in 0..300 {
            // A client whose connection was closed reconnects.
            let mut present = stream.take().unwrap_or_else(|| server.client.connect());
            let question = b"GET /api/history?limit=1 HTTP/1.1\r\nHost: t\r\n\r\n";
            let is_sent = present.write_all(question).is_ok();
            let Some(reply) = is_sent.then(|| Reply::read(&mut present)).flatten() else {
                continue;
            };
            assert_eq!(reply.status, 200, "{}", reply.text());
            stream = reply.header("connection").is_none().then_some(present);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..24 {
            scope.spawn(ask_on);
        }
    });
    assert!(closed(&server, "full") > 0.0);
}

fn with_a_low_limit_of_open_files_many_clients_are_still_served(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let program = Process::command(&folder.path().join("status.db"));
    let mut command = Command::new("sh");
    command.env_clear().args(["-c", "ulimit -n 64; exec \"$0\" \"$@\" --workers 2"]);
    command.arg(program.get_program()).args(program.get_args()).args(transport.arguments());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let server = Process::run(&mut command);
    let warning = "Only 64 files may be open, but max_connections = 4096 needs ";
    assert!(server.log().contains(warning), "{}", server.log());
    let clients: Vec<Connection> = (0..200).map(|_| idle_client(&server)).collect();
    for number in 0..20 {
        assert_eq!(server.get("/livez").status, 200);
        server.accept(report("r", &format!("s{number}"), "SYNCED", &[]));
        assert_eq!(server.get("/api/history").status, 200);
    }
    assert!(!server.log().contains("Too many open files"), "{}", server.log());
    drop(clients);
}

fn an_address_has_no_more_connections_than_it_may(transport: Transport) {
    let (_folder, app) =
        start(transport, &["--max-connections-per-address", "3", "--request-timeout", "1m"]);
    let mut clients: Vec<Connection> = (0..3).map(|_| idle_client(&app)).collect();
    app.accept(report("r", "s", "SYNCED", &[]));
    wait_until("its longest idle connection is closed", || is_closed(&mut clients[0]));
    clients.iter_mut().skip(1).for_each(ask_again);
    // No request in progress is closed for a new one.
    let mut halves: Vec<Connection> =
        (0..3).map(|number| half_an_update(&app, &format!("s{number}"))).collect();
    wait_until("the idle ones are closed", || clients.iter_mut().skip(1).all(is_closed));
    assert!(app.raw(LIVEZ).is_none(), "the newest is closed where none is idle");
    for half in &mut halves {
        half.write_all(b"}").unwrap();
        assert_eq!(Reply::read(half).unwrap().status, 200);
    }
    drop(halves);
    wait_until("there is room again", || app.raw(LIVEZ).is_some());
    assert!(closed(&app, "address") >= 4.0);
}

fn connections_that_are_idle_for_too_long_are_closed_and_counted(transport: Transport) {
    let (_folder, server) = start(transport, &["--idle-timeout", "2s"]);
    let mut idle = idle_client(&server);
    let mut half_asked = idle_client(&server);
    half_asked.write_all(b"GET /livez HTTP/1.1\r\nX: ").unwrap();
    wait_until("both are gone, however the second drips", || {
        half_asked.write_all(b"x").is_err() && is_closed(&mut idle)
    });
    assert!(closed(&server, "idle") >= 2.0);
    assert!(closed(&server, "full") < 1.0);
}
