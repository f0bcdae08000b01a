//! Takes a backup from the server that has the database open, by `GET /api/backup`.
//!
//! The server is on this machine: it is asked at the address of the settings, and in TLS it has to show
//! the certificate of the settings.

use std::fmt;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::access::redacted;
use crate::config::shown_value;
use crate::tls::connect_to_own;

/// How long to wait for a connection.
const TO_CONNECT: Duration = Duration::from_secs(5);
/// How long to wait for more: the server makes the copy before it answers.
const TO_READ: Duration = Duration::from_mins(30);
/// The longest head of an answer, and the longest error.
const LONGEST: u64 = 64 * 1024;

/// A token that is sent. It must not come into a log by accident.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct SentToken(pub(super) String);

impl fmt::Debug for SentToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SentToken")
    }
}

/// Where the server is, and how it is asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct OwnServer {
    pub(super) address: SocketAddr,
    /// The file of its certificate, if it speaks TLS.
    pub(super) certificate: Option<PathBuf>,
    pub(super) token: Option<SentToken>,
}

/// Why there is no backup from the server.
#[derive(Debug, Error)]
pub enum DownloadError {
    /// It cannot be asked.
    #[error(
        "a server has the database open, and cannot be asked at {address}: {error}; give this command \
         the settings of the server"
    )]
    Unreachable {
        /// Where it was asked.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// It refuses.
    #[error("the server at {address} gives no backup ({status}): {message}")]
    Refused {
        /// Where it was asked.
        address: SocketAddr,
        /// The status of its answer.
        status: u16,
        /// Its message.
        message: String,
    },
    /// The backup did not arrive whole.
    #[error("the backup has not arrived whole: {0}")]
    NotWhole(String),
}

/// Gets a backup, and writes it.
///
/// # Errors
/// See [`DownloadError`]; one of `output` is the inner error.
pub(super) fn download(
    server: &OwnServer,
    output: &mut dyn Write,
) -> Result<io::Result<u64>, DownloadError> {
    let unreachable = |error| DownloadError::Unreachable { address: server.address, error };
    let mut answer = BufReader::new(ask(server).map_err(unreachable)?);
    let head = Head::read(&mut answer).map_err(unreachable)?;
    if head.status != 200 {
        let message = message(answer, &head);
        return Err(DownloadError::Refused {
            address: server.address,
            status: head.status,
            message,
        });
    }
    let not_whole = |reason: &str| DownloadError::NotWhole(reason.to_owned());
    let length = head.value("content-length").and_then(|length| length.parse::<u64>().ok());
    let length = length.ok_or_else(|| not_whole("its length is not known"))?;
    let (mut digest, mut left, mut piece) = (Sha256::new(), length, vec![0; 1 << 18]);
    while left > 0 {
        let most = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let room = piece.get_mut(..most).unwrap_or_default();
        let count = answer.read(room).map_err(|error| not_whole(&error.to_string()))?;
        if count == 0 {
            return Err(not_whole(&format!("{left} of {length} bytes are missing")));
        }
        let bytes = room.get(..count).unwrap_or_default();
        digest.update(bytes);
        if let Err(error) = output.write_all(bytes) {
            return Ok(Err(error));
        }
        left = left.saturating_sub(count as u64);
    }
    let expected = head.value("repr-digest").unwrap_or_default();
    if expected != format!("sha-256=:{}:", STANDARD.encode(digest.finalize())) {
        return Err(not_whole("its SHA-256 is not the one that the server has told"));
    }
    Ok(output.flush().map(|()| length))
}

/// Sends the request.
fn ask(server: &OwnServer) -> io::Result<Box<dyn Read>> {
    let OwnServer { address, certificate, token } = server;
    let stream = TcpStream::connect_timeout(address, TO_CONNECT)?;
    stream.set_read_timeout(Some(TO_READ))?;
    stream.set_write_timeout(Some(TO_CONNECT))?;
    let authorization =
        token.as_ref().map(|SentToken(token)| format!("Authorization: Bearer {token}\r\n"));
    let request = format!(
        "GET /api/backup HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{}\r\n",
        authorization.unwrap_or_default()
    );
    match certificate {
        None => send(stream, &request),
        Some(file) => send(connect_to_own(stream, address.ip(), &fs::read(file)?)?, &request),
    }
}

fn send(mut stream: impl Read + Write + 'static, request: &str) -> io::Result<Box<dyn Read>> {
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    Ok(Box::new(stream))
}

/// The head of an answer.
struct Head {
    status: u16,
    /// Names in lower case, and values.
    headers: Vec<(String, String)>,
}

impl Head {
    fn read(answer: &mut impl BufRead) -> io::Result<Self> {
        let mut lines = answer.take(LONGEST).lines();
        let first = lines.next().transpose()?.unwrap_or_default();
        let mut words = first.split(' ');
        let status = match (words.next(), words.next().map(str::parse)) {
            (Some(protocol), Some(Ok(status))) if protocol.starts_with("HTTP/1.") => status,
            _ => return Err(io::Error::other("the answer is not of HTTP")),
        };
        let mut headers = Vec::new();
        for line in lines {
            let line = line?;
            match line.split_once(':') {
                Some((name, value)) => {
                    headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
                }
                None => break,
            }
        }
        Ok(Self { status, headers })
    }

    fn value(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Returns what an error says, on one line and without tokens.
fn message(answer: impl Read, head: &Head) -> String {
    #[derive(Deserialize)]
    struct Error {
        message: String,
    }
    let mut body = Vec::new();
    // What has arrived is shown.
    answer.take(LONGEST).read_to_end(&mut body).ok();
    let said = serde_json::from_slice(&body).map(|Error { message }| message);
    let hint = if head.status == 401 || head.status == 403 {
        "; give a token with the right backup by --token-file"
    } else {
        ""
    };
    let said = said.unwrap_or_else(|_| "there is no message".to_owned());
    format!("{}{hint}", redacted(&said).replace(char::is_control, " "))
}

/// Shows a path in a message.
pub(super) fn shown(path: &Path) -> String {
    redacted(&shown_value(&path.to_string_lossy())).into_owned()
}
