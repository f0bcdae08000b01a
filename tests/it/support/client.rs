//! An HTTP client that sends exactly the given bytes, with one connection per request.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use serde_json::Value;

use super::Connection;

/// A client of one server.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    pub address: SocketAddr,
    /// Whether it speaks TLS.
    pub is_tls: bool,
}

/// An answer, with the body as received.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Whether the last chunk has arrived, if it came in chunks.
    is_ended: bool,
}

impl Client {
    /// Makes a client of a server that speaks plain HTTP.
    pub fn at(address: SocketAddr) -> Self {
        Self { address, is_tls: false }
    }

    /// Sends `GET` with some headers.
    pub fn get_with(&self, target: &str, headers: &[(&str, &str)]) -> Reply {
        self.send("GET", target, headers, b"")
    }

    /// Sends `GET`.
    pub fn get(&self, target: &str) -> Reply {
        self.get_with(target, &[])
    }

    /// Posts a report.
    pub fn post(&self, body: impl AsRef<[u8]>) -> Reply {
        let json = [("Content-Type", "application/json")];
        self.send("POST", "/api/status", &json, body.as_ref())
    }

    /// Posts a report that has to be accepted.
    pub fn accept(&self, body: impl AsRef<[u8]>) {
        let reply = self.post(body);
        assert_eq!(reply.status, 200, "{}", reply.text());
    }

    /// Returns the JSON array of a list.
    pub fn list(&self, query: &str) -> Vec<Value> {
        let reply = self.get(&format!("/status.json{query}"));
        assert_eq!(reply.status, 200, "{query}: {}", reply.text());
        serde_json::from_slice(&reply.body).unwrap()
    }

    /// Returns `repo/server` of every entry of a list, in order.
    pub fn names(&self, query: &str) -> Vec<String> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let name = |row: &Value| text(&row["repo"]) + "/" + &text(&row["server"]);
        self.list(query).iter().map(name).collect()
    }

    /// Sends a request with a body and waits for the whole answer.
    pub fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        let has_length = headers.iter().any(|(name, _)| {
            name.eq_ignore_ascii_case("content-length")
                || name.eq_ignore_ascii_case("transfer-encoding")
        });
        if !has_length && (!body.is_empty() || method == "POST") {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        let request = [head.as_bytes(), b"\r\n", body].concat();
        self.raw(&request).unwrap_or_else(|| panic!("no answer to {method} {target}"))
    }

    /// Opens a connection.
    pub fn connect(&self) -> Connection {
        self.try_connect().expect("nobody listens")
    }

    /// Opens a connection if a server listens.
    pub fn try_connect(&self) -> Option<Connection> {
        let connected = TcpStream::connect(self.address);
        // Shown if the test fails.
        let stream = connected.inspect_err(|error| eprintln!("connecting: {error}")).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.set_nodelay(true).unwrap();
        Some(Connection::over(stream, self.is_tls))
    }

    /// Sends bytes and reads one answer, or until the server closes; `None` if nothing came.
    pub fn raw(&self, request: &[u8]) -> Option<Reply> {
        let mut stream = self.try_connect()?;
        // A server that refuses early may close before it has read everything.
        stream.write_all(request).ok();
        Reply::read(&mut stream)
    }
}

impl Reply {
    /// Reads one answer, or until the server closes; `None` if nothing came.
    pub fn read(stream: &mut impl Read) -> Option<Self> {
        let (mut answer, mut piece) = (Vec::new(), vec![0; 64 * 1024]);
        loop {
            let read = stream.read(&mut piece);
            if read.as_ref().is_err_and(|error| error.kind() == ErrorKind::Interrupted) {
                continue;
            }
            let read = read.inspect_err(|error| eprintln!("reading: {error}"));
            let count = read.unwrap_or(0);
            answer.extend_from_slice(&piece[..count]);
            let reply = Self::parse(&answer);
            if count == 0 || reply.as_ref().is_some_and(Self::is_complete) {
                return reply;
            }
        }
    }

    /// Reads the part of an answer that has arrived.
    pub fn parse(answer: &[u8]) -> Option<Self> {
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().unwrap();
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        });
        let (headers, body): (Vec<_>, _) = (headers.collect(), &answer[end + 4..]);
        let coding = headers.iter().find(|(name, _)| name == "transfer-encoding");
        let (body, is_ended) = match coding {
            Some((_, coding)) if coding == "chunked" => dechunked(body),
            _ => (body.to_vec(), false),
        };
        Some(Self { status, headers, body, is_ended })
    }

    /// Whether the body has the length that the head announced, or its last chunk.
    pub fn is_complete(&self) -> bool {
        let length = self.header("content-length").and_then(|length| length.parse().ok());
        self.is_ended || length.is_some_and(|length: usize| length == self.body.len())
    }

    /// Returns a header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Returns the body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    /// Returns the body, inflated if it was sent as gzip.
    pub fn inflated(&self) -> Vec<u8> {
        if self.header("content-encoding") != Some("gzip") {
            return self.body.clone();
        }
        let mut inflated = Vec::new();
        MultiGzDecoder::new(self.body.as_slice()).read_to_end(&mut inflated).unwrap();
        inflated
    }

    /// Fails unless this is an error of the API with this status; returns its message.
    pub fn error(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/json"));
        let body = self.json();
        assert_eq!(body["status"], "error");
        let has_detail = usize::from(body.get("detail").is_some());
        assert_eq!(body.as_object().unwrap().len(), 2 + has_detail, "{body}");
        body["message"].as_str().unwrap().to_owned()
    }

    /// Returns what an error says beside its message.
    pub fn detail(&self) -> String {
        self.json()["detail"].as_str().unwrap_or_else(|| panic!("no detail")).to_owned()
    }
}

/// Joins the chunks that have arrived, and returns whether the last one is among them.
fn dechunked(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        let line = std::str::from_utf8(&rest[..end]).unwrap();
        let length = usize::from_str_radix(line.split(';').next().unwrap(), 16).unwrap();
        let chunk = &rest[end + 2..];
        if length == 0 {
            return (body, chunk == b"\r\n");
        }
        body.extend_from_slice(&chunk[..length.min(chunk.len())]);
        rest = chunk.get(length + 2..).unwrap_or_default();
    }
    (body, false)
}

/// Returns the bytes of an update request, for tests that write to a connection directly.
pub fn update_request(body: &str) -> String {
    format!(
        "POST /api/status HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Sends an update without its last byte, and waits until the server reads it.
pub fn begin_update(server: &Client, body: &str) -> Connection {
    let mut client = server.connect();
    let request = update_request(body);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    client.write_all(format!("{head}\r\nExpect: 100-continue\r\n\r\n").as_bytes()).unwrap();
    let mut answer = [0; 25];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(&body.as_bytes()[..body.len() - 1]).unwrap();
    client
}
