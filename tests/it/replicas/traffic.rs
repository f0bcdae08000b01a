//! Clients that update and read through a proxy all the time, each on a connection that it keeps.

use std::io::Write;
use std::iter;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Client, Connection, Events, Reply, report, update_request, wait_until};

/// How many clients update an entry each, and how many read.
const UPDATING: usize = 4;
const READING: usize = 2;
/// How many requests can be under way at once; one of them is about the stream of changes.
pub const AT_ONCE: usize = UPDATING + READING + 1;

/// How many updates each client sends at least, and how many reads there are.
const LEAST: usize = 50;

/// The time between two requests of a client.
const PAUSE: Duration = Duration::from_millis(40);

/// The repository that they update.
const REPO: &str = "rolled";

/// What the clients have got.
pub struct Outcome {
    /// How many updates of each entry have been answered with 200. Their counts go from 1 to this.
    pub stored: Vec<u64>,
    /// What was not answered with 200.
    pub failures: Vec<String>,
    /// How often the stream of changes was opened again.
    pub reopened: usize,
}

/// Has clients update and read while something is done, and for longer if they got few answers. A client
/// repeats an update until it is answered with 200, as docs/reporting.md says.
pub fn during(proxy: Client, work: impl FnOnce()) -> Outcome {
    let (is_over, reads) = (AtomicBool::new(false), AtomicUsize::new(0));
    let stored = [const { AtomicU64::new(0) }; UPDATING];
    let failures = Mutex::new(Vec::new());
    let note = |failure: String| {
        eprintln!("{failure}");
        failures.lock().unwrap().push(failure);
    };
    let goes_on = || !is_over.load(Ordering::Relaxed);
    let reopened = thread::scope(|scope| {
        let (note, goes_on, reads) = (&note, &goes_on, &reads);
        let watching = scope.spawn(|| watch(proxy, note));
        let updating = stored.iter().enumerate();
        let updating: Vec<_> = updating
            .map(|(pair, stored)| scope.spawn(move || update(proxy, pair, stored, goes_on, note)))
            .collect();
        for _ in 0..READING {
            scope.spawn(move || {
                let mut connection = Kept::with(proxy);
                while goes_on() {
                    connection.read().map_or_else(note, |_| {
                        reads.fetch_add(1, Ordering::Relaxed);
                    });
                    thread::sleep(PAUSE);
                }
            });
        }
        work();
        wait_until("each client has had some answers", || {
            let updates = stored.iter().map(|stored| stored.load(Ordering::Relaxed)).min();
            updates >= Some(LEAST as u64) && reads.load(Ordering::Relaxed) >= LEAST
        });
        is_over.store(true, Ordering::Relaxed);
        for updating in updating {
            updating.join().unwrap();
        }
        proxy.accept(report(REPO, "end", "SYNCED", &[]));
        watching.join().unwrap()
    });
    let stored = stored.into_iter().map(AtomicU64::into_inner).collect();
    Outcome { stored, failures: failures.into_inner().unwrap(), reopened }
}

/// Reports counts from 1 on, and notes the last one that was stored.
fn update(
    proxy: Client,
    pair: usize,
    stored: &AtomicU64,
    goes_on: &dyn Fn() -> bool,
    note: &dyn Fn(String),
) {
    let (mut connection, mut count) = (Kept::with(proxy), 0);
    while goes_on() {
        count += 1;
        while let Err(failure) = connection.report(pair, count) {
            note(failure);
        }
        stored.store(count, Ordering::Relaxed);
        thread::sleep(PAUSE);
    }
}

/// Follows the stream of changes until the last update, and opens it again each time it ends; returns
/// how often.
fn watch(proxy: Client, note: &dyn Fn(String)) -> usize {
    for reopened in 0..1000 {
        match watch_once(proxy) {
            Ok(true) => return reopened,
            Ok(false) => {}
            Err(failure) => note(format!("stream: {failure}")),
        }
        thread::sleep(PAUSE);
    }
    panic!("no stream had the last update");
}

/// Follows the stream of changes once; returns whether it had the last update.
fn watch_once(proxy: Client) -> Result<bool, String> {
    let is_last = |row: &Value| row["server"] == "end";
    let mut events = Events::connect(&proxy, "/api/events", &[]);
    if !events.head.starts_with("HTTP/1.1 200 ") {
        return Err(events.head);
    }
    events.next().ok_or("it ended before it began")?;
    // The stream has only what is new since then.
    let known = Kept::with(proxy).read()?;
    let mut news = iter::from_fn(|| events.next()).map(|(_, row)| row);
    Ok(known.json().as_array().unwrap().iter().any(is_last) || news.any(|row| is_last(&row)))
}

/// A connection that is kept until one side ends it.
struct Kept {
    proxy: Client,
    open: Option<Connection>,
}

impl Kept {
    fn with(proxy: Client) -> Self {
        Self { proxy, open: None }
    }

    fn report(&mut self, pair: usize, count: u64) -> Result<(), String> {
        let body = json!({
            "repo": REPO, "server": format!("s{pair}"), "sync_status": "OUT_OF_SYNC",
            "drift_count": count, "files": [], "last_check": "2026-04-21T10:32:15Z",
        });
        let answer = self.ask(&update_request(&body.to_string()));
        answer.map(drop).map_err(|error| format!("update {count} of s{pair}: {error}"))
    }

    fn read(&mut self) -> Result<Reply, String> {
        let request = format!("GET /status.json?repo={REPO} HTTP/1.1\r\nHost: t\r\n\r\n");
        let answer = self.ask(&request).map_err(|error| format!("read: {error}"))?;
        assert!(answer.json().is_array());
        Ok(answer)
    }

    /// Sends a request, and waits for an answer with 200.
    fn ask(&mut self, request: &str) -> Result<Reply, String> {
        let open = self.open.take().or_else(|| self.proxy.try_connect());
        let mut open = open.ok_or("nobody listens")?;
        open.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
        let reply = Reply::read(&mut open).filter(Reply::is_complete).ok_or("no whole answer")?;
        if reply.header("connection") != Some("close") {
            self.open = Some(open);
        }
        if reply.status == 200 {
            Ok(reply)
        } else {
            Err(format!("{} {}", reply.status, reply.text()))
        }
    }
}
