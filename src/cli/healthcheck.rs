//! `healthcheck`: asks a running server for its health, for a container's HEALTHCHECK.
//!
//! It sends one request, so that an image needs no HTTP client. This module must not know the
//! settings.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::CliError;
use crate::config::Probed;
use crate::tls::connect_to_self;

/// The time limit of the whole exchange.
const PATIENCE: Duration = Duration::from_secs(3);

/// The most bytes of a status line that are read.
const LONGEST_LINE: usize = 256;

/// Asks the server there for `/health` and waits at most three seconds for the answer.
///
/// # Errors
/// [`CliError::Unhealthy`] on any answer but 200, and on no answer.
pub fn healthcheck(probed: Probed) -> Result<(), CliError> {
    let unhealthy = |reason: String| CliError::Unhealthy { address: probed.address, reason };
    let line = status_line(probed, PATIENCE).map_err(|error| unhealthy(explained(&error)))?;
    let mut words = line.split_ascii_whitespace();
    match (words.next(), words.next()) {
        (Some(protocol), Some("200")) if protocol.starts_with("HTTP/1.") => Ok(()),
        _ => Err(unhealthy(format!("GET /health was answered {line:?}"))),
    }
}

/// Returns the address at which this machine reaches a server that listens on `listen`.
pub(super) fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => other,
    };
    SocketAddr::new(ip, listen.port())
}

/// Sends the request and returns the first line of the answer, without its end.
fn status_line(probed: Probed, patience: Duration) -> io::Result<String> {
    let Probed { address, in_tls } = probed;
    let deadline = now() + patience;
    let stream = Limited { stream: TcpStream::connect_timeout(&address, patience)?, deadline };
    // Any certificate is accepted: the server is on this machine, and nothing sent is secret.
    if in_tls { ask(connect_to_self(stream, address.ip())?, address) } else { ask(stream, address) }
}

fn ask(mut stream: impl Read + Write, address: SocketAddr) -> io::Result<String> {
    // One write: a server that answers and closes early would make a second one fail.
    let request = format!("GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let mut line = Vec::new();
    let mut chunk = [0; LONGEST_LINE];
    while line.len() < LONGEST_LINE && !line.contains(&b'\n') {
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => line.extend_from_slice(chunk.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let text = String::from_utf8_lossy(&line);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// A connection that ends at a moment. A server that drips bytes gets no extra time.
struct Limited {
    stream: TcpStream,
    deadline: Instant,
}

impl Read for Limited {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(remaining(self.deadline)?))?;
        self.stream.read(buffer)
    }
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(remaining(self.deadline)?))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[expect(clippy::disallowed_methods, reason = "a time limit on a socket needs no settable clock")]
fn now() -> Instant {
    Instant::now()
}

/// Returns the time left, never zero: a socket refuses a time limit of zero.
fn remaining(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// Describes an error. Systems report a socket's time limit in different ways.
fn explained(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
            format!("no answer within {} seconds", PATIENCE.as_secs())
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Serves one connection with fixed bytes and returns the address and what was asked.
    fn answering(answer: &'static str) -> (SocketAddr, thread::JoinHandle<String>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                asked.push(byte[0]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(asked).unwrap()
        });
        (address, server)
    }

    fn plain(address: SocketAddr) -> Probed {
        Probed { address, in_tls: false }
    }

    #[test]
    fn an_answer_of_200_is_healthy() {
        let (address, server) = answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        healthcheck(plain(address)).unwrap();
        let asked = server.join().unwrap();
        assert!(asked.starts_with("GET /health HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains(&format!("Host: {address}\r\n")), "{asked}");
    }

    #[test]
    fn any_other_answer_is_not() {
        for answer in [
            "HTTP/1.1 503 Service Unavailable\r\n\r\n",
            "HTTP/1.1 2000 OK\r\n\r\n",
            "SSH-2.0-x 200\r\n",
            "\r\n",
            "",
        ] {
            let (address, server) = answering(answer);
            let error = healthcheck(plain(address)).unwrap_err();
            server.join().unwrap();
            assert_eq!(error.exit_status(), 1);
            let line = error.to_string();
            assert!(line.starts_with(&format!("error: {address} is not healthy: ")), "{line}");
            assert!(!line.contains(['\r', '\n']), "{line:?}");
        }
    }

    #[test]
    fn a_port_without_a_server_is_not_healthy() {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        assert!(healthcheck(plain(address)).is_err());
    }

    #[test]
    fn a_silent_server_is_given_up() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let patience = Duration::from_millis(30);
        let error = status_line(plain(listener.local_addr().unwrap()), patience).unwrap_err();
        assert_eq!(explained(&error), "no answer within 3 seconds");
    }
}
