//! Clients that send many requests before they read an answer.

use std::io::{Read, Write};
use std::thread;

use crate::bodies::peak_memory;
use crate::overload::wait_for_rest;
use crate::slow_clients::narrow;
use crate::support::{
    Connection, Reply, Transport, over_both_transports, report, update_request, wait_until,
};

over_both_transports! {
    requests_that_follow_unread_answers_take_little_memory_and_no_time
    pipelined_requests_are_all_answered_whatever_their_bodies
    a_pipelined_update_that_is_not_complete_when_the_one_before_is_answered_is_stored
    empty_lines_before_a_request_cost_it_no_time
    an_answer_on_its_way_arrives_although_more_was_sent_behind_the_last_request
}

fn requests_that_follow_unread_answers_take_little_memory_and_no_time(transport: Transport) {
    const CLIENTS: usize = 80;
    let folder = tempfile::tempdir().unwrap();
    let server = transport.start(&folder.path().join("status.db"), &[]);
    server.accept(report("r", "s", "SYNCED", &[]));
    let list = server.get("/status.json");
    let requests = [
        "GET /a HTTP/1.1\r\nHost: t\r\n\r\n".to_owned(),
        update_request("{}"),
        "GET /api/events HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\r\n1".to_owned(),
        format!(
            "GET /status.json HTTP/1.1\r\nHost: t\r\nIf-None-Match: {}\r\n\r\n",
            list.header("etag").unwrap()
        ),
    ];
    let before = peak_memory(&server);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let mut stream = narrow(&server.client);
            let all = requests[number % requests.len()].repeat(2000);
            thread::spawn(move || {
                // The server may not take all of it.
                stream.write_all(all.as_bytes()).ok();
                stream
            })
        })
        .collect();
    wait_for_rest(&server);
    let each = (peak_memory(&server) - before) / CLIENTS;
    assert!(each < 256 << 10, "{each} bytes for each client");
    assert_eq!(server.get("/livez").status, 200);
    drop(server);
    for client in clients {
        client.join().unwrap();
    }
}

fn pipelined_requests_are_all_answered_whatever_their_bodies(transport: Transport) {
    const TURNS: usize = 20;
    let folder = tempfile::tempdir().unwrap();
    let server = transport.start(&folder.path().join("status.db"), &[]);
    let turn = |number: usize| {
        let body = |kind: &str| report(kind, &format!("s{number}"), "SYNCED", &[]);
        let blank = format!("\r\n\r\n{}\n\n", " ".repeat(100_000));
        let lines = body("chunked").replace(',', "\r\n\r\n,");
        let head = update_request("");
        let (head, _) = head.split_once("Content-Length").unwrap();
        [
            update_request(&body("short")),
            update_request(&format!("{blank}{}", body("long"))),
            "GET /livez HTTP/1.1\r\nHost: t\r\n\r\n".to_owned(),
            format!("{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{blank}\r\n", blank.len()),
            format!("{:x}\r\n{lines}\r\n0\r\n\r\n", lines.len()),
        ]
        .concat()
    };
    let all: String = (0..TURNS).map(turn).collect();
    let last = "GET /livez HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n";
    let mut stream = server.client.connect();
    stream.write_all(all.as_bytes()).unwrap();
    stream.write_all(last.as_bytes()).unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 4 * TURNS + 1, "{answers}");
    for kind in ["short", "long", "chunked"] {
        assert_eq!(server.list(&format!("?repo={kind}")).len(), TURNS, "{kind}");
    }
}

fn a_pipelined_update_that_is_not_complete_when_the_one_before_is_answered_is_stored(
    transport: Transport,
) {
    let folder = tempfile::tempdir().unwrap();
    let server = transport.start(&folder.path().join("status.db"), &[]);
    let [first, second] =
        ["first", "second"].map(|name| update_request(&report("r", name, "SYNCED", &[])));
    let (begun, rest) = second.split_at(second.len() - 20);
    let mut stream = server.client.connect();
    stream.write_all([&first, begun].concat().as_bytes()).unwrap();
    let read = |stream: &mut Connection| {
        let mut answer = [0; 4096];
        let count = stream.read(&mut answer).unwrap();
        let reply = Reply::parse(&answer[..count]).unwrap();
        assert_eq!((reply.status, reply.header("connection")), (200, None));
    };
    read(&mut stream);
    stream.write_all(rest.as_bytes()).unwrap();
    read(&mut stream);
    assert_eq!(server.list("").len(), 2);
}

/// A head has five seconds to arrive. The server spent them on reading the same lines again.
fn empty_lines_before_a_request_cost_it_no_time(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let server = transport.start(&folder.path().join("status.db"), &[]);
    let lines = "\r\n".repeat(60_000);
    let request = "GET /livez HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n";
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let mut stream = server.client.connect();
            stream.write_all([&lines, request].concat().as_bytes()).unwrap();
            stream
        })
        .collect();
    for mut stream in clients {
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert_eq!(Reply::parse(&answer).unwrap().status, 200);
    }
}

/// The system reset the connection, and what had not arrived yet was lost.
fn an_answer_on_its_way_arrives_although_more_was_sent_behind_the_last_request(
    transport: Transport,
) {
    let folder = tempfile::tempdir().unwrap();
    let server = transport.start(&folder.path().join("status.db"), &[]);
    // More than the client's buffer holds, and less than the server's.
    let names: Vec<String> = (0..100).map(|file| format!("{file:x>4000}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    server.accept(report("r", "s", "OUT_OF_SYNC", &names));
    let expected = server.get("/status.json").body;
    let last = "GET /status.json HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n";
    let more = "GET /livez HTTP/1.1\r\nHost: t\r\n\r\n".repeat(1000);
    let mut client = narrow(&server.client);
    client.write_all([last, &more].concat().as_bytes()).unwrap();
    wait_until("the server has ended the connection", || {
        server.get("/metrics").text().contains("\ngitops_status_connections 1\n")
    });
    let answer = Reply::read(&mut client).unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.body == expected, "{} of {} bytes", answer.body.len(), expected.len());
}
