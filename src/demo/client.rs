//! The client through which the fleet reports: HTTP to this program's own address.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;

use futures_util::future::join_all;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::act::Act;
use super::json;
use crate::domain::Action;

/// How many connections there are: reports that come at the same time share commits.
const LANES: usize = 16;
/// More than any answer to an update takes.
const LONGEST_BODY: usize = 64 * 1024;

/// A client of one server.
#[derive(Debug)]
pub(super) struct Client {
    lanes: Vec<Lane>,
}

impl Client {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { lanes: (0..LANES).map(|_| Lane { address, stream: None }).collect() }
    }

    /// Asks for all of this, and returns the reason of one that was not done.
    pub(super) async fn ask(&mut self, acts: &[Act]) -> Option<String> {
        let mut shares: Vec<Vec<&Act>> = vec![Vec::new(); LANES];
        for act in acts {
            // What concerns one entry stays in order.
            let server = match &act.action {
                Action::Report(report) => &report.server,
                Action::Remove(key) => &key.server,
            };
            let lane = server.as_str().bytes().map(usize::from).sum::<usize>() % LANES;
            if let Some(share) = shares.get_mut(lane) {
                share.push(act);
            }
        }
        let lanes = self.lanes.iter_mut().zip(&shares);
        let failures = join_all(lanes.map(|(lane, share)| lane.ask_all(share))).await;
        failures.into_iter().flatten().next()
    }
}

/// One connection, once it is needed.
#[derive(Debug)]
struct Lane {
    address: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
}

impl Lane {
    async fn ask_all(&mut self, acts: &[&Act]) -> Option<String> {
        let mut failure = None;
        for act in acts {
            match self.ask(act).await {
                // Somebody may have taken the entry out by the page.
                Ok(status) if status == 200 || status == 404 => {}
                Ok(status) => failure = Some(format!("the server answered {status}")),
                Err(error) => failure = Some(error.to_string()),
            }
        }
        failure
    }

    /// Asks, and returns the status of the answer. A connection that the server has closed for being
    /// idle is replaced: what is asked may be done twice.
    async fn ask(&mut self, act: &Act) -> io::Result<u16> {
        let request = request(act, self.address)?;
        if let Some(stream) = &mut self.stream
            && let Ok(status) = exchange(stream, &request).await
        {
            return Ok(status);
        }
        self.stream = None;
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let stream = self.stream.insert(BufReader::new(stream));
        let outcome = exchange(stream, &request).await;
        if outcome.is_err() {
            self.stream = None;
        }
        outcome
    }
}

fn request(act: &Act, host: SocketAddr) -> io::Result<String> {
    let mut request = String::new();
    // Writing to a string cannot fail.
    match &act.action {
        Action::Report(report) => {
            let body = json::body(report)?;
            write!(
                request,
                "POST /api/status HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            )
        }
        // The names of the fleet need no escapes.
        Action::Remove(key) => write!(
            request,
            "DELETE /api/status?repo={}&server={} HTTP/1.1\r\nHost: {host}\r\n\r\n",
            key.repo, key.server
        ),
    }
    .ok();
    Ok(request)
}

/// Sends a request and reads its answer. Returns the status.
async fn exchange(stream: &mut BufReader<TcpStream>, request: &str) -> io::Result<u16> {
    let broken = || io::Error::from(io::ErrorKind::InvalidData);
    stream.write_all(request.as_bytes()).await?;
    let (mut line, mut status, mut length) = (String::new(), None, 0);
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let head = line.trim_end();
        if head.is_empty() {
            break;
        }
        if status.is_none() {
            status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        } else if let Some((name, value)) = head.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().map_err(|_| broken())?;
        }
    }
    if length > LONGEST_BODY {
        return Err(broken());
    }
    stream.read_exact(&mut vec![0; length]).await?;
    status.ok_or_else(broken)
}
