//! A real Alertmanager, and a receiver that keeps its messages.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

use super::process::{Running, spawn};
use super::prometheus::address_in;
use super::{Client, run_tool, wait_until};

/// A running Alertmanager on a port of its own; it is killed when this is dropped.
pub struct Alertmanager {
    client: Client,
    _child: Running,
}

impl Alertmanager {
    /// Starts Alertmanager with a configuration and a folder for its data.
    pub fn start(configuration: &Path, data: &Path) -> Self {
        const NAME: &str = "prometheus-alertmanager";
        run_tool(NAME, NAME, &["--version"], "");
        let mut command = Command::new(NAME);
        command.arg(format!("--config.file={}", configuration.display()));
        command.arg(format!("--storage.path={}", data.display()));
        command.args(["--web.listen-address=127.0.0.1:0", "--cluster.listen-address="]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let (child, log, reader) = spawn(&mut command);
        let mut address = None;
        wait_until("Alertmanager listens or ends", || {
            address = address_in(&log.lock().unwrap());
            address.is_some() || reader.is_finished()
        });
        let address = address.unwrap_or_else(|| panic!("none: {}", log.lock().unwrap()));
        Self { client: Client::at(address), _child: child }
    }

    /// Sends alerts, as Prometheus does.
    pub fn post(&self, alerts: &[Value]) {
        let body = serde_json::to_vec(alerts).unwrap();
        let headers = [("Content-Type", "application/json")];
        let reply = self.client.send("POST", "/api/v2/alerts", &headers, &body);
        assert_eq!(reply.status, 200, "{}", reply.text());
    }

    /// Silences the alerts of a name.
    pub fn silence(&self, name: &str) {
        let body = json!({
            "matchers": [{ "name": "alertname", "value": name, "isRegex": false }],
            "startsAt": "2000-01-01T00:00:00Z", "endsAt": "2999-01-01T00:00:00Z",
            "createdBy": "test", "comment": "test",
        });
        let headers = [("Content-Type", "application/json")];
        let reply =
            self.client.send("POST", "/api/v2/silences", &headers, body.to_string().as_bytes());
        assert_eq!(reply.status, 200, "{}", reply.text());
    }

    /// Returns how many silences (`silencedBy`) or other alerts (`inhibitedBy`) hold an alert back.
    pub fn held_back_by(&self, name: &str, what: &str) -> usize {
        let alerts = self.client.get("/api/v2/alerts").json();
        let alert = alerts.as_array().unwrap().iter().find(|it| it["labels"]["alertname"] == name);
        alert.and_then(|it| it["status"][what].as_array()).map_or(0, Vec::len)
    }
}

/// Takes messages of Alertmanager on a port of its own.
pub struct Receiver {
    pub address: SocketAddr,
    messages: Arc<Mutex<Vec<Value>>>,
}

impl Receiver {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let messages = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&messages);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = Arc::clone(&kept);
                thread::spawn(move || while take(&stream, &kept).is_some() {});
            }
        });
        Self { address, messages }
    }

    /// Returns all messages so far.
    pub fn messages(&self) -> Vec<Value> {
        self.messages.lock().unwrap().clone()
    }
}

/// Takes one message; `None` at the end of the connection.
fn take(mut stream: &TcpStream, messages: &Mutex<Vec<Value>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    messages.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").ok()
}
