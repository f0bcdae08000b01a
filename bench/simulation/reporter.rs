//! The client: brings the fleet's reports to the server, compares what it shows, and measures answers.
//!
//! It reads one command a line, and writes one line of JSON for each.

use std::collections::HashSet;
use std::io::{self, BufRead as _, Write as _};
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use gitops_status_server::clock::{Clock as _, SystemClock};
use gitops_status_server::domain::{ReportedTime, Timestamp};
use serde_json::{Value, json};

use crate::connection::Connection;
use crate::fleet::{JOBS, Job};
use crate::ledger::Ledger;

const HOUR: i64 = 3_600_000;
/// The fields of the list that are compared.
const COMPARED: &str = "/status.json?fields=repo,server,sync_status,drift_count,files,last_check";

/// Obeys the lines of standard input until it ends.
pub fn run() -> anyhow::Result<()> {
    let mut reporter = Reporter::new();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let answer = match reporter.obey(&line) {
            Ok(answer) => answer,
            Err(error) => json!({ "error": format!("{line}: {error}") }),
        };
        writeln!(io::stdout(), "{answer}")?;
    }
    Ok(())
}

/// What happens in one step.
enum Happening {
    Report { job: Job, generation: u64 },
    Removal(Job),
}

struct Reporter {
    ledger: Ledger,
    connections: Vec<Connection>,
    /// The jobs that have their turn in each quarter of an hour, in order.
    quarters: [Vec<Job>; 4],
    /// The reports of the last step, as they were sent.
    last: Vec<String>,
    clock: SystemClock,
}

impl Reporter {
    fn new() -> Self {
        let of = |quarter| (0..JOBS).map(Job).filter(|job| job.quarter() == quarter).collect();
        Self {
            ledger: Ledger::new(),
            connections: Vec::new(),
            quarters: [0, 1, 2, 3].map(of),
            last: Vec::new(),
            clock: SystemClock::start(),
        }
    }

    fn obey(&mut self, line: &str) -> anyhow::Result<Value> {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["connect", address, count] => self.connect(address.parse()?, count.parse()?),
            ["step", began, at] => self.step(began.parse()?, at.parse()?),
            ["compare", now] => self.compare(now.parse()?),
            ["events", from, until] => Ok(json!(self.ledger.events(from.parse()?, until.parse()?))),
            ["update", address, clients, times] => {
                self.measure_updates(address.parse()?, clients.parse()?, times.parse()?)
            }
            ["get", address, times, target] => {
                self.measure_reads(address.parse()?, times.parse()?, target)
            }
            _ => anyhow::bail!("unknown command"),
        }
    }

    /// Connects anew.
    fn connect(&mut self, address: SocketAddr, count: usize) -> anyhow::Result<Value> {
        self.connections.clear();
        for _ in 0..count {
            self.connections.push(Connection::open(address)?);
        }
        Ok(json!({ "connections": count }))
    }

    /// Reports all that is due in the quarter of an hour that begins at a moment. The fleet's first hour
    /// began at another.
    fn step(&mut self, began: i64, at: i64) -> anyhow::Result<Value> {
        let passed = u64::try_from(at - began)?;
        let (hour, quarter) =
            (passed / HOUR.unsigned_abs(), passed / (HOUR.unsigned_abs() / 4) % 4);
        let last_check = ReportedTime::to_the_second(Timestamp::from_millis(at)).to_string();
        let happenings = self.happenings(hour, usize::try_from(quarter)?);
        self.last.clear();
        let mut places = (0..self.connections.len()).cycle();
        for happening in &happenings {
            let connection = places.next().and_then(|place| self.connections.get_mut(place));
            let Some(connection) = connection else { anyhow::bail!("not connected") };
            match *happening {
                Happening::Report { job, generation: _ } => {
                    let mut body = String::with_capacity(512);
                    job.write_report(job.finding(hour), hour, &last_check, &mut body);
                    connection.collect_update(&body);
                    self.last.push(body);
                }
                Happening::Removal(job) => {
                    let generation = self.ledger.generation(job).unwrap_or_default();
                    let (repo, server) = (job.repo_name(), job.server_name(generation));
                    connection
                        .collect("DELETE", &format!("/api/status?repo={repo}&server={server}"));
                }
            }
        }
        self.connections.iter_mut().try_for_each(Connection::send)?;
        for connection in &mut self.connections {
            while connection.succeed()?.is_some() {}
        }
        // Everything has been answered with 200.
        for happening in &happenings {
            match *happening {
                Happening::Report { job, generation } => {
                    self.ledger.note_report(job, generation, job.finding(hour), at);
                }
                Happening::Removal(job) => self.ledger.note_removal(job, at),
            }
        }
        Ok(json!({ "updates": self.last.len() }))
    }

    /// Lists what happens in a quarter of an hour. Servers are replaced in the first one.
    fn happenings(&mut self, hour: u64, quarter: usize) -> Vec<Happening> {
        let mut happenings = Vec::new();
        for job in (0..JOBS).map(Job).filter(|_| quarter == 0) {
            match self.ledger.generation(job) {
                Some(old) if old == job.generation(hour) => {}
                Some(old) if job.is_taken_out(old) => happenings.push(Happening::Removal(job)),
                Some(_) => self.ledger.note_silence(job),
                None => {}
            }
        }
        let removed: HashSet<u64> = happenings
            .iter()
            .filter_map(|happening| match happening {
                Happening::Removal(job) => Some(job.0),
                Happening::Report { .. } => None,
            })
            .collect();
        // The successor of a server reports once its predecessor is out.
        let jobs = self.quarters.get(quarter).into_iter().flatten().copied();
        let jobs = jobs.filter(|job| !job.is_silent(hour) && !removed.contains(&job.0));
        let report = |job: Job| Happening::Report { job, generation: job.generation(hour) };
        happenings.extend(jobs.map(report));
        happenings
    }

    /// Compares the list with the ledger.
    fn compare(&mut self, now: i64) -> anyhow::Result<Value> {
        let Some(connection) = self.connections.first_mut() else { anyhow::bail!("not connected") };
        let list: Vec<Value> = serde_json::from_slice(&connection.ask("GET", COMPARED)?)?;
        let entries = self.ledger.compare(&list, now).map_err(anyhow::Error::msg)?;
        Ok(json!({ "entries": entries }))
    }

    /// Sends reports of the last step again, each client one after the other.
    fn measure_updates(
        &self,
        address: SocketAddr,
        clients: usize,
        times: usize,
    ) -> anyhow::Result<Value> {
        let shares = self.last.chunks(self.last.len().div_ceil(clients.max(1)).max(1));
        let client = |share: &[String]| -> anyhow::Result<Vec<Duration>> {
            let mut connection = Connection::open(address)?;
            let mut taken = Vec::new();
            for body in share.iter().cycle().take(times) {
                let began = self.clock.monotonic();
                connection.collect_update(body);
                connection.send()?;
                connection.succeed()?;
                taken.push(self.clock.monotonic().saturating_sub(began));
            }
            Ok(taken)
        };
        let taken = thread::scope(|scope| {
            let clients: Vec<_> = shares.map(|share| scope.spawn(move || client(share))).collect();
            let joined = clients.into_iter().map(|client| {
                client.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a client has panicked")))
            });
            joined.collect::<anyhow::Result<Vec<_>>>()
        })?;
        Ok(summary(taken.concat(), 0))
    }

    /// Asks for a path again and again.
    fn measure_reads(
        &self,
        address: SocketAddr,
        times: usize,
        target: &str,
    ) -> anyhow::Result<Value> {
        let mut connection = Connection::open(address)?;
        let (mut taken, mut bytes) = (Vec::new(), 0);
        for _ in 0..times {
            let began = self.clock.monotonic();
            bytes = connection.ask("GET", target)?.len();
            taken.push(self.clock.monotonic().saturating_sub(began));
        }
        Ok(summary(taken, bytes))
    }
}

/// Quantiles in milliseconds, and the size of an answer.
fn summary(mut taken: Vec<Duration>, bytes: usize) -> Value {
    taken.sort_unstable();
    let at = |part: usize| taken.get((taken.len() * part / 100).min(taken.len().saturating_sub(1)));
    let millis = |part| at(part).map_or(0.0, |span| span.as_secs_f64() * 1000.0);
    json!({ "p50": millis(50), "p99": millis(99), "max": millis(100), "bytes": bytes })
}
