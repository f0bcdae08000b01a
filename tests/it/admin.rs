//! The port of probes and metrics: what is on it, and that it answers whatever happens to the main one.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use gitops_status_server::access::mint;
use serde_json::Value;

use crate::slow_clients::narrow;
use crate::support::{
    Client, Connection, Events, Process, Reply, begin_update, free_address, report, update_request,
    wait_until,
};

const HERE: [&str; 4] = ["/metrics", "/health", "/livez", "/readyz"];
const LIVEZ: &[u8] = b"GET /livez HTTP/1.1\r\nHost: t\r\n\r\n";

/// Starts the program with a second port; the folder has its database.
fn start(arguments: &[&str]) -> (tempfile::TempDir, Process) {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [&["--admin-listen", "127.0.0.1:0"], arguments].concat();
    let server = Process::start(&folder.path().join("status.db"), &arguments);
    (folder, server)
}

/// Fails unless the port answers as it does when nothing else happens.
fn assert_answers(admin: &Client) {
    for path in HERE {
        let reply = admin.get(path);
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    }
}

/// Opens a connection that has had one answer and stays open.
fn idle_client(client: &Client) -> Connection {
    let mut stream = client.connect();
    stream.write_all(LIVEZ).unwrap();
    assert_eq!(Reply::read(&mut stream).unwrap().status, 200);
    stream
}

/// Sends an update without its last byte.
fn half_an_update(server: &Client, name: &str) -> Connection {
    let mut stream = server.connect();
    let request = update_request(&report("half", name, "SYNCED", &[]));
    stream.write_all(&request.as_bytes()[..request.len() - 1]).unwrap();
    stream
}

/// Whether nothing has come on a connection so far.
fn is_silent(stream: &mut Connection) -> bool {
    stream.set_nonblocking(true).unwrap();
    let read = stream.read(&mut [0]);
    stream.set_nonblocking(false).unwrap();
    read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

#[test]
fn it_has_probes_and_metrics_for_get_and_head_only() {
    let (_folder, server) = start(&[]);
    let admin = server.admin();
    assert_ne!(admin.address, server.client.address);
    for path in HERE {
        let reply = admin.get(path);
        assert_eq!((reply.status, reply.header("x-content-type-options")), (200, Some("nosniff")));
        assert_eq!(server.get(path).status, 200, "{path} is on the main port too");
        assert_eq!(admin.send("HEAD", path, &[], b"").status, 200, "{path}");
        let reply = admin.send("OPTIONS", path, &[], b"");
        assert_eq!((reply.status, reply.header("allow")), (204, Some("GET, HEAD")), "{path}");
        for method in ["POST", "PUT", "DELETE", "PATCH", "BREW"] {
            let reply = admin.send(method, path, &[], b"");
            assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD")), "{path}");
        }
    }
    let reply = admin.send("OPTIONS", "*", &[], b"");
    assert_eq!((reply.status, reply.header("allow")), (204, Some("GET, HEAD")));
    assert!(admin.get("/metrics").text().contains("gitops_status_entries{state=\"synced\"} 0\n"));
    assert_eq!(admin.get("/health").json()["status"], "healthy");
}

#[test]
fn every_other_path_is_not_found_there_and_the_message_says_where_it_is() {
    let (_folder, server) = start(&[]);
    let description = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json")).unwrap();
    let description: Value = serde_json::from_slice(&description).unwrap();
    let paths = description["paths"].as_object().unwrap().keys().map(String::as_str);
    let paths = paths.chain(["/assets/page.js", "/nothing", "//livez", "/livez/", "/Metrics", "*"]);
    let expected = format!(
        "Only /metrics, /health, /livez, /readyz are on this port; all other paths are on port {}",
        server.client.address.port()
    );
    let mut seen = 0;
    for path in paths.filter(|path| !HERE.contains(path)) {
        for method in ["GET", "HEAD", "POST", "DELETE"] {
            let reply = server.admin().send(method, path, &[], b"");
            assert_eq!(reply.status, 404, "{method} {path}");
            assert_eq!(reply.header("cache-control"), Some("no-store"), "{method} {path}");
            if method != "HEAD" {
                assert_eq!(reply.error(404), expected, "{method} {path}");
            }
        }
        seen += 1;
    }
    assert!(seen > 15, "{seen}");
    let json = [("Content-Type", "application/json")];
    let update = report("r", "s", "SYNCED", &[]);
    server.admin().send("POST", "/api/status", &json, update.as_bytes()).error(404);
    assert_eq!(server.names(""), [""; 0], "nothing can be written there");
}

#[test]
fn it_may_be_reached_from_elsewhere_without_tokens_because_nothing_can_be_written_there() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--admin-listen", "0.0.0.0:0"];
    let server = Process::start(&folder.path().join("status.db"), &arguments);
    let port = server.admin().address.port();
    assert_answers(&Client::at(([127, 0, 0, 2], port).into()));
}

#[test]
fn its_metrics_need_a_token_where_reading_does_and_its_probes_never() {
    let tokens = tempfile::tempdir().unwrap();
    let minted = mint(None).unwrap();
    let file = tokens.path().join("tokens.toml");
    let (id, digest) = (&minted.id, &minted.digest);
    let read = format!("[[token]]\nid = \"{id}\"\nsha256 = \"{digest}\"\nread = true\n");
    fs::write(&file, read).unwrap();
    let file = file.to_str().unwrap();
    let (_folder, server) = start(&["--tokens-file", file, "--require-read-token"]);
    let admin = server.admin();
    for path in ["/health", "/livez", "/readyz"] {
        assert_eq!(admin.get(path).status, 200, "{path}");
    }
    let refused = admin.get("/metrics");
    refused.error(401);
    assert!(refused.header("www-authenticate").is_some());
    let bearer = format!("Bearer {}", minted.text);
    assert_eq!(admin.get_with("/metrics", &[("Authorization", &bearer)]).status, 200);
    let (_folder, server) = start(&["--tokens-file", file]);
    assert_eq!(server.admin().get("/metrics").status, 200, "everybody may read");
}

#[test]
fn it_answers_when_nobody_is_accepted_on_the_main_port() {
    let arguments = ["--max-connections", "16", "--workers", "1", "--request-timeout", "1m"];
    let (_folder, server) = start(&arguments);
    let streams: Vec<Events> =
        (0..8).map(|_| Events::open(&server, "/api/events", &[]).0).collect();
    let halves: Vec<Connection> =
        (0..9).map(|number| half_an_update(&server, &format!("s{number}"))).collect();
    let mut waiting = server.connect();
    waiting.write_all(LIVEZ).unwrap();
    for _ in 0..20 {
        assert_answers(&server.admin());
    }
    assert!(is_silent(&mut waiting), "nobody is accepted on the main port");
    drop((streams, halves));
    assert_eq!(Reply::read(&mut waiting).unwrap().status, 200);
}

#[test]
fn its_metrics_do_not_wait_for_those_of_the_main_port() {
    let (_folder, server) = start(&[]);
    for number in 0..1000 {
        server.accept(report("r", &number.to_string(), "SYNCED", &[]));
    }
    let mut scrapes: Vec<Connection> = (0..300)
        .map(|_| {
            let mut stream = server.connect();
            stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: t\r\n\r\n").unwrap();
            stream
        })
        .collect();
    assert_answers(&server.admin());
    let waiting = scrapes.iter_mut().filter_map(|stream| is_silent(stream).then_some(())).count();
    assert!(waiting > 0, "all scrapes of the main port have been answered before");
}

#[test]
fn it_has_connections_of_its_own_and_closes_the_longest_idle_one() {
    let (_folder, server) = start(&["--max-connections", "16", "--idle-timeout", "1h"]);
    let admin = server.admin();
    let mut clients: Vec<Connection> = (0..400).map(|_| idle_client(&admin)).collect();
    assert_answers(&admin);
    let log = "WARN ] All 256 connections of admin_listen are taken: idle ones are closed";
    wait_until("the log says so", || server.log().contains(log));
    wait_until("the longest idle are closed", || {
        clients.iter_mut().take(144).all(|stream| !is_silent(stream))
    });
    assert!(is_silent(clients.last_mut().unwrap()), "the newest stays");
    let metrics = server.get("/metrics").text();
    let open = metrics.lines().find_map(|line| line.strip_prefix("gitops_status_connections "));
    let open: usize = open.unwrap().parse().unwrap();
    assert!(open < 10, "{open}: connections of the main port are counted alone");
    assert!(!server.log().contains("connections of listen are taken"), "{}", server.log());
}

#[test]
fn clients_of_it_that_read_nothing_are_cut_off_before_probes_fail() {
    let (_folder, server) = start(&["--idle-timeout", "1h"]);
    let admin = server.admin();
    let requests = b"GET /metrics HTTP/1.1\r\nHost: t\r\n\r\n".repeat(300);
    let mut unread: Vec<Connection> = (0..280).map(|_| narrow(&admin)).collect();
    for stream in &mut unread {
        stream.write_all(&requests).unwrap();
    }
    // A client of a test waits for 30 seconds, and one of the main port may read nothing for 60.
    assert_answers(&admin);
    drop(unread);
}

#[test]
fn the_names_of_the_main_port_are_those_of_it_too() {
    let ask = |server: &Process| {
        let admin = Client::at(([127, 0, 0, 1], server.admin().address.port()).into());
        HERE.map(|path| {
            let head = format!("GET {path} HTTP/1.1\r\nHost: probe.example\r\n");
            admin.raw(format!("{head}Connection: close\r\n\r\n").as_bytes()).unwrap().status
        })
    };
    let folder = tempfile::tempdir().unwrap();
    let mut beyond = Command::new(env!("CARGO_BIN_EXE_gitops-status-server"));
    beyond.env_clear().current_dir(folder.path()).stderr(Stdio::piped());
    beyond.args(["--listen", "0.0.0.0:0", "--allow-anonymous-writes"]);
    let beyond = Process::run(beyond.args(["--admin-listen", "127.0.0.1:0"]));
    assert_eq!(ask(&beyond), [200; 4]);
    let (local, arguments) = (folder.path().join("local.db"), ["--admin-listen", "0.0.0.0:0"]);
    assert_eq!(ask(&Process::start(&local, &arguments)), [421; 4]);
}

#[test]
fn a_connection_to_it_that_is_idle_or_drips_a_head_is_closed() {
    let (_folder, server) = start(&["--idle-timeout", "2s"]);
    let mut idle = idle_client(&server.admin());
    let mut dripping = idle_client(&server.admin());
    dripping.write_all(b"GET /livez HTTP/1.1\r\nX: ").unwrap();
    wait_until("both are closed", || dripping.write_all(b"x").is_err() && !is_silent(&mut idle));
}

#[test]
fn no_body_is_read_there() {
    let (_folder, server) = start(&["--idle-timeout", "1h", "--request-timeout", "1h"]);
    let chunk = format!("8000\r\n{}\r\n", " ".repeat(0x8000));
    for (method, path, status) in
        [("GET", "/livez", 200), ("POST", "/livez", 405), ("POST", "/api/status", 404)]
    {
        for length in ["Transfer-Encoding: chunked", "Content-Length: 1000000000"] {
            let mut stream = server.admin().connect();
            let head = format!("{method} {path} HTTP/1.1\r\nHost: t\r\n{length}\r\n\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            let reply = Reply::read(&mut stream).unwrap();
            assert_eq!(reply.status, status, "{method} {path} {length}");
            stream.set_nonblocking(true).unwrap();
            wait_until("the connection is ended", || match stream.write(chunk.as_bytes()) {
                Err(error) if error.kind() != ErrorKind::WouldBlock => true,
                _ => matches!(stream.read(&mut [0; 4096]), Ok(0)),
            });
        }
    }
}

#[test]
fn it_is_closed_last() {
    let (folder, mut server) = start(&["--shutdown-grace", "60s"]);
    let admin = server.admin();
    let body = report("half", "slow", "SYNCED", &[]);
    let mut slow = begin_update(&server, &body);
    server.signal("TERM");
    wait_until("the main port is closed", || TcpStream::connect(server.client.address).is_err());
    assert_eq!(admin.get("/livez").status, 200);
    assert_eq!(admin.get("/health").status, 200);
    assert_eq!(admin.get("/metrics").status, 200);
    admin.get("/readyz").error(503);
    assert_eq!(server.try_wait(), None);
    slow.write_all(b"}").unwrap();
    assert_eq!(Reply::read(&mut slow).unwrap().status, 200, "what was begun is answered");
    wait_until("it is closed", || TcpStream::connect(admin.address).is_err());
    let log = folder.path().join("status.db-wal");
    assert!(!log.exists(), "it is closed after the database, which leaves no log");
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn both_ports_are_unready_during_the_delay_of_a_stop() {
    let (_folder, server) = start(&["--shutdown-delay", "60s"]);
    server.signal("TERM");
    for client in [server.client, server.admin()] {
        wait_until("it is unready", || client.get("/readyz").status == 503);
        assert_eq!(client.get("/livez").status, 200);
    }
}

#[test]
fn its_idle_connections_do_not_delay_a_stop() {
    let (_folder, mut server) = start(&["--shutdown-grace", "1h"]);
    let _idle = idle_client(&server.admin());
    let _silent = server.admin().connect();
    assert_eq!(server.terminate().code(), Some(0));
}

#[test]
fn an_address_in_use_stops_the_start_with_one_line_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap();
    let mut command = Process::command(&folder.path().join("status.db"));
    command.args(["--admin-listen", &taken.to_string()]);
    let (status, log) = Process::run_to_end(&mut command);
    assert_eq!(status.code(), Some(1), "{log}");
    let errors: Vec<&str> = log.lines().filter(|line| line.contains("ERROR")).collect();
    assert_eq!(errors.len(), 1, "{log}");
    assert!(errors[0].contains(&format!("{taken} cannot be listened on: ")), "{log}");
    assert!(!log.contains("Listening"), "{log}");
}

fn healthcheck(database: &Path, settings: &[(&str, &str)]) -> Option<i32> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gitops-status-server"));
    command.env_clear().arg("healthcheck").current_dir(database.parent().unwrap());
    let settings = settings.iter().map(|(name, value)| (format!("GITOPS_STATUS_{name}"), value));
    Process::run_to_end(command.envs(settings)).0.code()
}

#[test]
fn the_health_check_asks_it_and_not_the_main_port() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("status.db");
    let nobody = free_address().to_string();
    let server = Process::start(&database, &["--admin-listen", "127.0.0.1:0"]);
    let [main, admin] = [server.client, server.admin()].map(|client| client.address.to_string());
    let check =
        |listen, admin| healthcheck(&database, &[("LISTEN", listen), ("ADMIN_LISTEN", admin)]);
    assert_eq!(check(&nobody, &admin), Some(0));
    assert_eq!(check(&main, &nobody), Some(1));
    assert_eq!(check(&main, ""), Some(0));
}
