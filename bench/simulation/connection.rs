//! A connection that stays open, on which requests are sent many at once.

use std::fmt::Write as _;
use std::io::{self, Read, Write as _};
use std::net::{SocketAddr, TcpStream};

use memchr::memmem;

/// Requests that are collected, sent together, and answered in their order.
pub struct Connection {
    stream: TcpStream,
    collected: String,
    awaited: usize,
    received: Vec<u8>,
}

/// An answer: its status and its body.
pub struct Answer {
    pub status: String,
    pub body: Vec<u8>,
}

impl Connection {
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, collected: String::new(), awaited: 0, received: Vec::new() })
    }

    /// Adds an update to those that are sent next.
    pub fn collect_update(&mut self, body: &str) {
        // Writing to a string cannot fail.
        write!(
            self.collected,
            "POST /api/status HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .ok();
        self.awaited += 1;
    }

    /// Adds a request without a body.
    pub fn collect(&mut self, method: &str, target: &str) {
        write!(self.collected, "{method} {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").ok();
        self.awaited += 1;
    }

    /// Sends what is collected.
    pub fn send(&mut self) -> io::Result<()> {
        self.stream.write_all(self.collected.as_bytes())?;
        self.collected.clear();
        Ok(())
    }

    /// Reads one answer to what was sent; none if all have been read.
    pub fn answer(&mut self) -> io::Result<Option<Answer>> {
        if self.awaited == 0 {
            return Ok(None);
        }
        loop {
            if let Some((answer, length)) = parse(&self.received) {
                self.received.drain(..length);
                self.awaited -= 1;
                return Ok(Some(answer));
            }
            let mut piece = [0; 16 * 1024];
            let count = self.stream.read(&mut piece)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.received.extend_from_slice(piece.get(..count).unwrap_or_default());
        }
    }

    /// Asks for something that has to succeed, and returns the body.
    pub fn ask(&mut self, method: &str, target: &str) -> anyhow::Result<Vec<u8>> {
        self.collect(method, target);
        self.send()?;
        self.succeed()?.ok_or_else(|| anyhow::anyhow!("no answer"))
    }

    /// Reads one answer, which has to be a success; none if all have been read.
    pub fn succeed(&mut self) -> anyhow::Result<Option<Vec<u8>>> {
        let Some(Answer { status, body }) = self.answer()? else { return Ok(None) };
        if status == "200" {
            return Ok(Some(body));
        }
        anyhow::bail!("{status} {}", String::from_utf8_lossy(&body))
    }
}

/// Reads an answer with a length or in chunks, if all of it is there. Returns how long it is, too.
fn parse(received: &[u8]) -> Option<(Answer, usize)> {
    let end = memmem::find(received, b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(received.get(..end)?).ok()?;
    let status = head.get(9..12)?.to_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let rest = received.get(end..)?;
    let Some(length) = length else {
        let (body, length) = dechunked(rest)?;
        return Some((Answer { status, body }, end + length));
    };
    let body = rest.get(..length)?.to_vec();
    Some((Answer { status, body }, end + length))
}

/// Joins chunks, if the last one is there. Returns how many bytes they were, too.
fn dechunked(received: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let rest = received.get(at..)?;
        let line = memmem::find(rest, b"\r\n")?;
        let size = std::str::from_utf8(rest.get(..line)?).ok()?;
        let size = usize::from_str_radix(size, 16).ok()?;
        body.extend_from_slice(rest.get(line + 2..line + 2 + size)?);
        at += line + 2 + size + 2;
        if size == 0 {
            return (received.len() >= at).then_some((body, at));
        }
    }
}
