//! What the server has to show: each report that it has taken, and what the history has to tell of it.

use std::collections::{BTreeMap, HashMap};

use gitops_status_server::domain::{ReportedTime, Timestamp};
use serde_json::{Value, json};

use crate::fleet::{Finding, JOBS, Job};

/// The default time to live, in milliseconds.
const TTL: i64 = 14 * 24 * 3_600_000;

/// The last report of an entry.
#[derive(Clone, Copy)]
struct Seen {
    generation: u64,
    finding: Finding,
    at: i64,
}

/// What has been reported.
pub struct Ledger {
    /// The last report of each job.
    jobs: Vec<Option<Seen>>,
    /// The entries of servers that have been replaced without a word.
    gone: Vec<(Job, Seen)>,
    /// When something happened that the history tells.
    events: Vec<(i64, &'static str)>,
}

impl Ledger {
    pub fn new() -> Self {
        Self { jobs: (0..JOBS).map(|_| None).collect(), gone: Vec::new(), events: Vec::new() }
    }

    /// The generation of the server of which a job's entry is listed.
    pub fn generation(&self, job: Job) -> Option<u64> {
        Some(self.seen(job)?.generation)
    }

    /// Notes a report that was stored.
    pub fn note_report(&mut self, job: Job, generation: u64, finding: Finding, at: i64) {
        let before = self.seen(job).filter(|seen| seen.generation == generation);
        let event = match before.map(|seen| seen.finding) {
            None => Some("first"),
            Some(before) if before == finding => None,
            Some(before) if before.status() == finding.status() => Some("changed"),
            Some(_) if finding.count() > 0 => Some("drifted"),
            Some(_) => Some("synced"),
        };
        self.events.extend(event.map(|event| (at, event)));
        if let Some(place) = index(job).and_then(|index| self.jobs.get_mut(index)) {
            *place = Some(Seen { generation, finding, at });
        }
    }

    /// Notes that a job's entry was taken out.
    pub fn note_removal(&mut self, job: Job, at: i64) {
        if self.take(job).is_some() {
            self.events.push((at, "deleted"));
        }
    }

    /// Notes that a job's entry gets no more reports.
    pub fn note_silence(&mut self, job: Job) {
        if let Some(seen) = self.take(job) {
            self.events.push((seen.at + TTL, "expired"));
            self.gone.push((job, seen));
        }
    }

    /// Counts what the history has to tell of a span, by event.
    pub fn events(&self, from: i64, until: i64) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        for (_, event) in self.events.iter().filter(|(at, _)| (from..until).contains(at)) {
            *counts.entry(*event).or_default() += 1;
        }
        counts
    }

    /// Compares a list with what has been reported. Returns how many entries it has, or a difference.
    pub fn compare(&mut self, list: &[Value], now: i64) -> Result<usize, String> {
        self.gone.retain(|(_, seen)| seen.at + TTL > now);
        let jobs = (0..).map(Job).zip(&self.jobs).filter_map(|(job, seen)| Some((job, (*seen)?)));
        let all = jobs.chain(self.gone.iter().copied()).filter(|(_, seen)| seen.at + TTL > now);
        let expected: HashMap<_, _> =
            all.map(|(job, seen)| (name(job, seen), shown(seen))).collect();
        for row in list {
            let mut row = row.clone();
            let [repo, server] =
                ["repo", "server"].map(|field| row.get_mut(field).map(Value::take));
            let named = |name: Option<Value>| name?.as_str().map(str::to_owned);
            let key = [repo, server].map(|name| named(name).unwrap_or_default());
            if let Some(rest) = row.as_object_mut() {
                rest.retain(|_, value| !value.is_null());
            }
            match expected.get(&key) {
                Some(shown) if *shown == row => {}
                other => return Err(format!("{key:?} is {row}, expected was {other:?}")),
            }
        }
        if list.len() == expected.len() {
            return Ok(list.len());
        }
        Err(format!("{} entries are listed, expected were {}", list.len(), expected.len()))
    }

    fn seen(&self, job: Job) -> Option<Seen> {
        *self.jobs.get(index(job)?)?
    }

    fn take(&mut self, job: Job) -> Option<Seen> {
        self.jobs.get_mut(index(job)?)?.take()
    }
}

fn index(job: Job) -> Option<usize> {
    usize::try_from(job.0).ok()
}

fn name(job: Job, seen: Seen) -> [String; 2] {
    [job.repo_name(), job.server_name(seen.generation)]
}

fn shown(Seen { finding, at, generation: _ }: Seen) -> Value {
    let files: Vec<_> = finding.files().map(|name| json!({ "name": name })).collect();
    json!({
        "sync_status": finding.status(),
        "drift_count": finding.count(),
        "files": files,
        "last_check": ReportedTime::to_the_second(Timestamp::from_millis(at)).to_string(),
    })
}
