//! Clients that hold connections without using them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::support::{
    Client, Connection, Reply, TestApp, Transport, over_both_transports, report, wait_until,
};

over_both_transports! {
    dripping_clients_are_disconnected_and_good_ones_are_served
    a_body_that_does_not_arrive_is_answered_408
    a_client_that_keeps_sending_after_its_answer_is_disconnected_soon
    an_unread_stream_is_closed_even_if_there_is_room_for_it
    a_slow_client_that_keeps_reading_gets_its_whole_answer
}

const CLIENTS: usize = 150;
const HEAD: &str = "POST /api/status HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n";

/// Sends one more byte, and returns whether the server has closed the connection.
fn is_ended(stream: &mut Connection) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    let mut piece = [0; 4096];
    stream.write_all(b"a").is_err() || matches!(stream.read(&mut piece), Ok(0))
}

fn dripping_clients_are_disconnected_and_good_ones_are_served(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let limits = ["--request-timeout", "1s", "--idle-timeout", "2s"];
    let server = transport.start(&folder.path().join("status.db"), &limits);
    server.accept(report("r", "s", "SYNCED", &[]));
    let mut clients: Vec<Connection> = (0..CLIENTS)
        .map(|number| {
            let mut stream = server.client.connect();
            let start = match number % 3 {
                0 => format!("{HEAD}Content-Length: 100000\r\n\r\n{{"),
                1 => "GET /livez HTTP/1.1\r\nHost: t\r\n\r\nGET /livez HTTP/1.1\r\nX: ".to_owned(),
                _ => "GET /livez HTTP/1.1\r\nX: ".to_owned(),
            };
            stream.write_all(start.as_bytes()).unwrap();
            stream
        })
        .collect();
    wait_until("all of them are gone", || {
        server.accept(report("r", "s", "SYNCED", &[]));
        clients.retain_mut(|stream| !is_ended(stream));
        clients.is_empty()
    });
}

fn a_body_that_does_not_arrive_is_answered_408(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let limits = ["--request-timeout", "1s"];
    let server = transport.start(&folder.path().join("status.db"), &limits);
    let request = format!("{HEAD}Content-Length: 10\r\n\r\n{{");
    server.raw(request.as_bytes()).unwrap().error(408);
}

fn a_client_that_keeps_sending_after_its_answer_is_disconnected_soon(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--idle-timeout", "1h", "--request-timeout", "1s"];
    let server = transport.start(&folder.path().join("status.db"), &arguments);
    let chunk = format!("8000\r\n{}\r\n", " ".repeat(0x8000));
    let text = "POST /api/status HTTP/1.1\r\nHost: t\r\n".to_owned();
    let (other, get) = (text.replace("/api/status", "/x"), text.replace("POST", "GET"));
    for (status, head, chunks) in
        [(413, HEAD, 33), (408, HEAD, 1), (415, &text, 0), (404, &other, 1), (405, &get, 1)]
    {
        let mut stream = server.client.connect();
        let request = format!("{head}Transfer-Encoding: chunked\r\n\r\n{}", chunk.repeat(chunks));
        stream.write_all(request.as_bytes()).unwrap();
        let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
        while Reply::parse(&answer).is_none() {
            let count = stream.read(&mut piece).unwrap();
            assert!(count > 0, "{status}: closed without an answer");
            answer.extend_from_slice(&piece[..count]);
        }
        let reply = Reply::parse(&answer).unwrap();
        assert_eq!((reply.status, reply.header("connection")), (status, Some("close")));
        stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        wait_until("the connection is ended", || {
            stream.write_all(chunk.as_bytes()).is_err() || matches!(stream.read(&mut piece), Ok(0))
        });
    }
    let body = report("r", "s", "SYNCED", &[]);
    let whole =
        format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let mut stream = server.client.connect();
    for _ in 0..2 {
        stream.write_all(format!("{HEAD}{whole}").as_bytes()).unwrap();
        let mut answer = [0; 4096];
        let count = stream.read(&mut answer).unwrap();
        let reply = Reply::parse(&answer[..count]).unwrap();
        assert_eq!((reply.status, reply.header("connection")), (200, None), "it may go on");
    }
}

/// Opens a connection with a small receive buffer. By default the system would buffer megabytes for a
/// client that does not read.
pub(crate) fn narrow(client: &Client) -> Connection {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    socket.connect(&client.address.into()).unwrap();
    Connection::over(TcpStream::from(socket), client.is_tls)
}

fn an_unread_stream_is_closed_even_if_there_is_room_for_it(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let server = transport.start(&folder.path().join("status.db"), &["--idle-timeout", "2s"]);
    let mut streams: Vec<Connection> = (0..2)
        .map(|_| {
            let mut stream = narrow(&server.client);
            stream.write_all(b"GET /api/events HTTP/1.1\r\nHost: t\r\n\r\n").unwrap();
            stream
        })
        .collect();
    let streams_are = |count: usize| {
        let line = format!("\ngitops_status_event_streams {count}\n");
        server.get("/metrics").text().contains(&line)
    };
    wait_until("both listen", || streams_are(2));
    let mut read = streams.pop().unwrap();
    let received = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&received);
    let reader = std::thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(count @ 1..) = read.read(&mut piece) {
            counted.fetch_add(count, Ordering::Relaxed);
        }
    });
    // More than the client's buffer holds, and less than the server's.
    let name = "x".repeat(4_000);
    for number in 0..10 {
        let names: Vec<String> = (0..4).map(|file| format!("{number}{file}{name}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        server.accept(report("r", "s", "OUT_OF_SYNC", &names));
        // Changes in quick succession would be told as one.
        let told = (number + 1) * names.len() * name.len();
        wait_until("it is told", || received.load(Ordering::Relaxed) > told);
    }
    wait_until("the one that does not read is ended, and no other", || streams_are(1));
    drop(server);
    reader.join().unwrap();
}

#[test]
fn an_answer_that_is_not_read_within_ten_minutes_is_cut() {
    let app = TestApp::spawn();
    let names: Vec<String> = (0..2_000).map(|file| format!("{file}{}", "x".repeat(100))).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for number in 0..8 {
        app.accept(report("r", &format!("s{number}"), "OUT_OF_SYNC", &names));
    }
    let cases = [("/status.csv", 9, true), ("/status.csv", 11, false), ("/status.json", 11, false)];
    for (path, minutes, is_whole) in cases {
        let mut stream = narrow(&app);
        let request = format!("GET {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = vec![0; 1000];
        stream.read_exact(&mut answer).unwrap();
        app.advance(Duration::from_mins(minutes));
        stream.read_to_end(&mut answer).ok();
        let is_complete = Reply::parse(&answer).unwrap().is_complete();
        assert_eq!(is_complete, is_whole, "{path} after {minutes} minutes");
    }
}

fn a_slow_client_that_keeps_reading_gets_its_whole_answer(transport: Transport) {
    const PIECE: usize = 20_000;
    // Two megabytes, which the system would buffer, take seconds at this pace.
    const PACE: Duration = Duration::from_millis(50);
    let folder = tempfile::tempdir().unwrap();
    let server = transport.start(&folder.path().join("status.db"), &["--idle-timeout", "3s"]);
    let files: Vec<String> = (0..250).map(|number| format!("{number}{}", "x".repeat(60))).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    for number in 0..200 {
        server.accept(report("r", &format!("s{number}"), "OUT_OF_SYNC", &files));
    }
    let length = server.get("/status.json").body.len();
    assert!(length > 3_000_000);
    let mut stream = narrow(&server.client);
    stream.write_all(b"GET /status.json HTTP/1.1\r\nHost: t\r\n\r\n").unwrap();
    let (mut answer, mut piece) = (Vec::new(), vec![0; PIECE]);
    let start = Instant::now();
    for turn in 1.. {
        let count = stream.read(&mut piece).unwrap();
        answer.extend_from_slice(&piece[..count]);
        let so_far = Reply::parse(&answer).map_or(0, |reply| reply.body.len());
        if count == 0 || so_far == length {
            assert_eq!(so_far, length, "the answer was cut short");
            return;
        }
        // On a busy machine it catches up.
        std::thread::sleep((PACE * turn).saturating_sub(start.elapsed()));
    }
}

#[test]
fn unread_answers_with_metrics_are_few_in_memory_and_refuse_nobody_else() {
    let app = TestApp::spawn();
    let repo = "r".repeat(250);
    for number in 0..1000 {
        app.accept(report(&repo, &format!("{number:0>250}"), "SYNCED", &[]));
    }
    let scrape = || {
        let mut stream = narrow(&app);
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = vec![0; 1000];
        stream.read_exact(&mut answer).unwrap();
        (stream, answer)
    };
    let unread: Vec<(Connection, Vec<u8>)> = (0..4).map(|_| scrape()).collect();
    for _ in 0..10 {
        let shared = app.get("/metrics");
        assert!(shared.status == 200 && shared.is_complete(), "{}", shared.status);
    }
    let shared = app.get_with("/metrics", &[("Accept-Encoding", "gzip")]);
    assert!(shared.status == 200 && shared.is_complete(), "{}", shared.status);
    app.advance(Duration::from_secs(2));
    let whole = app.get("/metrics");
    assert!(whole.status == 200 && whole.is_complete());
    let is_whole = |(mut stream, mut answer): (Connection, Vec<u8>)| {
        stream.read_to_end(&mut answer).ok();
        Reply::parse(&answer).unwrap().is_complete()
    };
    let whole: Vec<bool> = unread.into_iter().map(is_whole).collect();
    assert_eq!(whole, [false, true, true, true], "the oldest gives way");
}
