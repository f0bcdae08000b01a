//! Reporters, which send reports and removals to any replica until they are answered, and readers.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::TcpStream;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::checker::{Kind, Row};
use super::fleet::{Fleet, Running};
use super::ledger::{Deed, Ledger};
use crate::support::{Client, Random, Reply};

pub const REPORTERS: usize = 6;
/// Pairs of one reporter, and pairs that all of them report.
const OWN: usize = 5;
const SHARED: usize = 4;
/// Fewer than there are pairs.
pub const MOST_ENTRIES: usize = 31;

const CONNECTING: Duration = Duration::from_secs(1);
/// After how long a reporter gives an attempt up, instead of the ten seconds of real ones.
const PATIENCE: Duration = Duration::from_secs(3);

/// What became of an attempt.
enum Attempt {
    Answered(Reply),
    /// Nothing was sent.
    NotConnected,
    /// The connection broke off.
    Broken,
    /// The request may be in a process that will read it later.
    GivenUp,
}

/// What reporters have met with.
#[derive(Default)]
pub struct Met {
    pub not_connected: AtomicUsize,
    pub broken: AtomicUsize,
    pub given_up: AtomicUsize,
    /// Answers with 503.
    pub not_stored: AtomicUsize,
    /// Answers with 507.
    pub no_room: AtomicUsize,
}

/// What all reporters and readers share.
pub struct World {
    pub fleet: Fleet,
    pub ledger: Ledger,
    pub met: Met,
    /// When reporters and readers were told to end.
    over: OnceLock<Instant>,
    pub stuck_after: Duration,
    /// Whether the test has failed, so that nobody waits for an answer any more.
    is_abandoned: AtomicBool,
}

/// Ends a run when this is dropped, also by a panic.
pub struct Ending<'a>(pub &'a World);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.is_abandoned.store(thread::panicking(), Ordering::SeqCst);
        self.0.over.get_or_init(Instant::now);
        if thread::panicking() {
            self.0.fleet.end();
        }
    }
}

impl World {
    pub fn new(fleet: Fleet, stuck_after: Duration) -> Self {
        let (ledger, met, over) = (Ledger::default(), Met::default(), OnceLock::new());
        Self { fleet, ledger, met, over, stuck_after, is_abandoned: false.into() }
    }

    fn goes_on(&self) -> bool {
        self.over.get().is_none()
    }

    /// Whether an answer should long be there, although the last replicas were healed.
    fn is_stuck(&self) -> bool {
        self.over.get().is_some_and(|over| over.elapsed() > self.stuck_after)
    }
}

fn attempt(client: &Client, method: &str, target: &str, body: &str) -> Attempt {
    let began = Instant::now();
    let Ok(mut stream) = TcpStream::connect_timeout(&client.address, CONNECTING) else {
        return Attempt::NotConnected;
    };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: rig\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let reply = stream.write_all((head + body).as_bytes()).ok();
    match reply.and_then(|()| Reply::read(&mut stream)).filter(Reply::is_complete) {
        Some(reply) => Attempt::Answered(reply),
        None if began.elapsed() < PATIENCE => Attempt::Broken,
        None => Attempt::GivenUp,
    }
}

/// Asks a replica, unless it cannot be reached.
pub fn ask(client: &Client, target: &str) -> Option<Reply> {
    match attempt(client, "GET", target, "") {
        Attempt::Answered(reply) => Some(reply),
        Attempt::NotConnected | Attempt::Broken | Attempt::GivenUp => None,
    }
}

fn request_of(server: &str, deed: Deed, number: u32) -> (&'static str, String, String) {
    match deed {
        Deed::Report(value) => {
            let status = if value % 2 == 0 { "SYNCED" } else { "OUT_OF_SYNC" };
            let body = serde_json::json!({
                "repo": "rig", "server": server, "sync_status": status, "drift_count": value,
                "files": [{ "name": format!("f{value}") }],
                "last_check": format!("2026-04-21T10:32:15.{number:09}Z"),
            });
            ("POST", "/api/status".to_owned(), body.to_string())
        }
        Deed::Remove => ("DELETE", format!("/api/status?repo=rig&server={server}"), String::new()),
    }
}

/// A reporter, and what it knows of its own pairs.
pub struct Reporter<'a> {
    world: &'a World,
    number: usize,
    random: Random,
    /// The last number that was acknowledged of each pair that is there.
    own: BTreeMap<String, u32>,
    /// Pairs whose entries somebody else may change: an attempt that was given up.
    doubtful: BTreeSet<String>,
}

impl<'a> Reporter<'a> {
    pub fn new(world: &'a World, number: usize, random: Random) -> Self {
        let (own, doubtful) = (BTreeMap::new(), BTreeSet::new());
        Self { world, number, random, own, doubtful }
    }

    /// Reports until the end, and until its last report was answered or is stuck.
    pub fn work(mut self) {
        while self.world.goes_on() {
            let own = format!("own-{}-{}", self.number, self.random.below(OWN));
            let shared = format!("shared-{}", self.random.below(SHARED));
            let known = self.own.get(&own).copied();
            match (self.random.below(100), known) {
                (0..45, _) => self.act(&own, Deed::Report),
                // Nothing but times is new.
                (45..60, Some(value)) => self.act(&own, |_| Deed::Report(value)),
                (60..67, _) => self.act(&own, |_| Deed::Remove),
                (67..70, _) => self.act(&shared, |_| Deed::Remove),
                _ => self.act(&shared, Deed::Report),
            }
            thread::sleep(Duration::from_millis(self.random.below(8) as u64));
        }
    }

    fn act(&mut self, server: &str, deed: impl FnOnce(u32) -> Deed) {
        let ledger = &self.world.ledger;
        let (number, deed) = ledger.begin(self.number, server, deed);
        let mut pause = 10;
        while !self.world.is_abandoned.load(Ordering::SeqCst) {
            if self.world.is_stuck() {
                let what = format!("{number}: {deed:?} of {server} is never answered");
                return ledger.note_break(Kind::Stuck, what);
            }
            let replica = self.world.fleet.any(&mut self.random);
            if let Some(replica) = &replica
                && let Some(status) = self.try_once(replica, server, deed, number)
            {
                ledger.note(number, |op| op.answer = Some((status, Instant::now())));
                self.learn(server, deed, number, status, replica);
                return;
            }
            thread::sleep(Duration::from_millis(pause));
            pause = (2 * pause).min(200);
        }
    }

    /// Sends something once. Returns the status of an answer that ends it.
    fn try_once(&mut self, to: &Running, server: &str, deed: Deed, number: u32) -> Option<u16> {
        let World { ledger, met, .. } = self.world;
        let (method, target, body) = request_of(server, deed, number);
        // Before it is sent, so that a reader never sees what nobody has sent.
        ledger.note(number, |op| op.attempts += 1);
        let (counter, may_come_late) = match attempt(&to.client, method, &target, &body) {
            Attempt::Answered(reply) => match reply.status {
                200 | 404 => return Some(reply.status),
                507 => {
                    met.no_room.fetch_add(1, Ordering::Relaxed);
                    return Some(507);
                }
                503 => (&met.not_stored, false),
                other => {
                    ledger.note_break(Kind::Fault, format!("{other}: {}", reply.text()));
                    return Some(other);
                }
            },
            Attempt::NotConnected => {
                ledger.note(number, |op| op.attempts -= 1);
                met.not_connected.fetch_add(1, Ordering::Relaxed);
                return None;
            }
            Attempt::Broken => (&met.broken, false),
            Attempt::GivenUp => (&met.given_up, true),
        };
        counter.fetch_add(1, Ordering::Relaxed);
        ledger.note(number, |op| {
            op.is_unsure = true;
            op.may_come_late |= may_come_late;
        });
        if may_come_late {
            self.doubtful.insert(server.to_owned());
        }
        None
    }

    fn learn(&mut self, server: &str, deed: Deed, number: u32, status: u16, replica: &Running) {
        if server.starts_with("shared") {
            return;
        }
        let before = self.own.remove(server);
        let ledger = &self.world.ledger;
        match (deed, status) {
            (Deed::Report(value), 200) => {
                self.own.insert(server.to_owned(), value);
                if !self.doubtful.contains(server) && self.random.below(5) == 0 {
                    self.read_own_write(server, number, replica);
                }
            }
            (Deed::Remove, 404) => {
                let is_unsure = ledger.note(number, |op| op.is_unsure);
                if before.is_some() && !is_unsure && !self.doubtful.contains(server) {
                    let what = format!("{number}: {server} is there, and its removal found none");
                    ledger.note_break(Kind::Refused, what);
                }
            }
            _ => {}
        }
    }

    /// An update is visible at once on the replica that has answered.
    fn read_own_write(&self, server: &str, number: u32, replica: &Running) {
        let target = format!("/status.json?repo=rig&server={server}");
        let Some(reply) = ask(&replica.client, &target).filter(|reply| reply.status == 200) else {
            return;
        };
        let rows: Vec<Row> = Row::all_in(&reply.body);
        if rows.iter().map(|row| row.number).ne([number]) {
            let what = format!("{number} of {server} was acknowledged, and {rows:?} is shown");
            self.world.ledger.note_break(Kind::NotShown, what);
        }
    }
}

/// What a process has shown of a pair, after something else: its value, or that there is no entry.
pub struct Shown {
    /// When it was asked.
    pub at: Instant,
    pub process: usize,
    pub server: String,
    pub value: Option<u32>,
}

/// Reads at one place until the end. Returns what it has seen.
pub fn read(world: &World, place: usize) -> Vec<Shown> {
    let (mut seen, mut process) = (Vec::new(), None);
    let mut known: BTreeMap<String, u32> = BTreeMap::new();
    while world.goes_on() {
        thread::sleep(Duration::from_millis(30));
        let Some(running) = world.fleet.at(place) else { continue };
        if process.replace(running.number) != Some(running.number) {
            known.clear();
        }
        if let Some(reply) = ask(&running.client, "/readyz")
            && reply.status != 200
        {
            world.ledger.note_break(Kind::Fault, format!("/readyz is {}", reply.text()));
        }
        let at = Instant::now();
        let Some(reply) = ask(&running.client, "/status.json") else { continue };
        if reply.status != 200 {
            world.ledger.note_break(Kind::Fault, format!("a list is {}", reply.text()));
            continue;
        }
        let rows: BTreeMap<_, _> =
            Row::all_in(&reply.body).into_iter().map(|row| (row.server, row.value)).collect();
        let mut note = |server: &str, value| {
            let (process, server) = (running.number, server.to_owned());
            seen.push(Shown { at, process, server, value });
        };
        for (server, value) in &rows {
            if known.get(server) != Some(value) {
                note(server, Some(*value));
            }
        }
        known.keys().filter(|server| !rows.contains_key(*server)).for_each(|it| note(it, None));
        known = rows;
    }
    seen
}
