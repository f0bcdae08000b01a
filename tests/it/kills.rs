//! The program is killed under load, again and again, and may lose no acknowledged update.

use std::collections::HashMap;
use std::env;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Client, Connection, Process, update_request, wait_until};

const NO_ARGUMENTS: &[&str] = &[];
/// How often the program is killed, unless `KILLS` says otherwise.
const CYCLES: u64 = 25;
const WRITERS: u64 = 6;
const KEYS_A_WRITER: u64 = 5;

/// The known state of one key. Each key has one writer, which counts up.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// The last number that was sent.
    sent: u64,
    /// The last number that was acknowledged or shown in an answer.
    sure: u64,
}

/// Everything that the writers and readers have seen: the server's answers are checked against it.
#[derive(Debug, Default)]
struct Ledger(Mutex<HashMap<String, Known>>);

impl Ledger {
    fn sending(&self, key: &str, number: u64) {
        self.0.lock().unwrap().entry(key.to_owned()).or_default().sent = number;
    }

    fn sure(&self, key: &str, number: u64) {
        let mut known = self.0.lock().unwrap();
        let known = known.entry(key.to_owned()).or_default();
        known.sure = known.sure.max(number);
    }

    fn snapshot(&self) -> HashMap<String, Known> {
        self.0.lock().unwrap().clone()
    }
}

/// The report with a number: its count, its files and its time all contain it.
fn numbered(key: &str, number: u64) -> String {
    let time = format!("2026-04-21T10:32:15.{number:09}Z");
    serde_json::json!({
        "repo": "kills", "server": key, "sync_status": "OUT_OF_SYNC", "drift_count": number,
        "files": [{ "name": format!("file-{number}") }], "last_check": time,
    })
    .to_string()
}

/// Checks a list against the numbers known before the request and the numbers sent since.
fn faults(
    rows: &[Value],
    before: &HashMap<String, Known>,
    after: &HashMap<String, Known>,
) -> Vec<String> {
    let mut faults = Vec::new();
    let mut shown: HashMap<&str, u64> = HashMap::new();
    for row in rows {
        let key = row["server"].as_str().unwrap();
        let number = row["drift_count"].as_u64().unwrap();
        let expected: Value = serde_json::from_str(&numbered(key, number)).unwrap();
        if row["files"] != expected["files"] || row["last_check"] != expected["last_check"] {
            faults.push(format!("torn: {row}"));
        }
        if after.get(key).is_none_or(|known| number > known.sent) {
            faults.push(format!("invented: {row}"));
        }
        if shown.insert(key, number).is_some() {
            faults.push(format!("twice: {row}"));
        }
    }
    for (key, known) in before {
        let number = shown.get(key.as_str()).copied().unwrap_or(0);
        if number < known.sure {
            faults.push(format!("lost: {key} was {} and is {number}", known.sure));
        }
    }
    faults
}

/// Sends one request on a connection that stays open; returns the status of its answer.
fn exchange(stream: &mut Connection, body: &str) -> Option<u16> {
    stream.write_all(update_request(body).as_bytes()).ok()?;
    let mut answer = [0; 1024];
    let count = stream.read(&mut answer).ok().filter(|&count| count > 12)?;
    std::str::from_utf8(&answer[9..12]).ok()?.parse().ok().filter(|_| count > 12)
}

/// Counts the keys of one writer up until the server is gone.
fn write(client: Client, writer: u64, numbers: &AtomicU64, ledger: &Ledger) {
    let Some(mut stream) = client.try_connect() else { return };
    loop {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let key = format!("{writer}-{}", number % KEYS_A_WRITER);
        ledger.sending(&key, number);
        match exchange(&mut stream, &numbered(&key, number)) {
            Some(200) => ledger.sure(&key, number),
            Some(other) => panic!("an update was answered with {other}"),
            None => return,
        }
    }
}

/// Reads the list until the server is killed, and checks each answer against the ledger.
fn read(client: Client, ledger: &Ledger, is_killed: &AtomicBool) {
    loop {
        let before = ledger.snapshot();
        let request = b"GET /status.json HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n";
        let Some(reply) = client.raw(request).filter(|reply| reply.status == 200) else { return };
        // A kill may truncate the answer, and another test's server may get the same port.
        let rows = serde_json::from_slice::<Vec<Value>>(&reply.body);
        if is_killed.load(Ordering::SeqCst) {
            return;
        }
        let rows = rows.expect("a whole answer");
        assert_eq!(faults(&rows, &before, &ledger.snapshot()), [""; 0]);
        for row in &rows {
            ledger.sure(row["server"].as_str().unwrap(), row["drift_count"].as_u64().unwrap());
        }
    }
}

/// Kills the program this long after its start begins.
fn kill_while_starting(path: &Path, after: Duration) {
    let mut child = Process::command(path).stderr(std::process::Stdio::null()).spawn().unwrap();
    thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn no_kill_under_load_loses_tears_or_invents_anything() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("status.db");
    let ledger = Ledger::default();
    let numbers: Vec<AtomicU64> = (0..WRITERS).map(|_| AtomicU64::new(1)).collect();
    let cycles = env::var("KILLS").map_or(CYCLES, |text| text.parse().unwrap());
    for cycle in 0..cycles {
        if cycle % 3 == 1 {
            kill_while_starting(&path, Duration::from_millis(3 * (cycle % CYCLES)));
        }
        let server = Process::start(&path, NO_ARGUMENTS);
        let rows = server.list("");
        let known = ledger.snapshot();
        assert_eq!(faults(&rows, &known, &known), [""; 0], "after kill {cycle}");
        let (client, is_killed) = (server.client, AtomicBool::new(false));
        let goal: u64 = 60 + 20 * (cycle % 5);
        thread::scope(|scope| {
            for (writer, number) in numbers.iter().enumerate() {
                let ledger = &ledger;
                scope.spawn(move || write(client, writer as u64, number, ledger));
            }
            for _ in 0..2 {
                scope.spawn(|| read(client, &ledger, &is_killed));
            }
            let start: u64 = numbers.iter().map(|number| number.load(Ordering::Relaxed)).sum();
            wait_until("there is load", || {
                let sent: u64 = numbers.iter().map(|number| number.load(Ordering::Relaxed)).sum();
                sent >= start + goal
            });
            is_killed.store(true, Ordering::SeqCst);
            server.kill();
        });
    }
    let mut server = Process::start(&path, NO_ARGUMENTS);
    let (rows, known) = (server.list(""), ledger.snapshot());
    assert_eq!(faults(&rows, &known, &known), [""; 0]);
    assert_eq!(rows.len() as u64, WRITERS * KEYS_A_WRITER);
    assert_eq!(server.terminate().code(), Some(0));
    let sent: u64 = numbers.iter().map(|number| number.load(Ordering::Relaxed) - 1).sum();
    eprintln!("{cycles} kills under load, {} at starts, {sent} updates", (cycles + 1) / 3);
}

#[test]
fn a_kill_during_the_first_start_leaves_no_file_that_blocks_the_next_start() {
    for step in 0..25 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("status.db");
        kill_while_starting(&path, Duration::from_millis(step));
        let server = Process::start(&path, NO_ARGUMENTS);
        assert_eq!(server.list("").len(), 0);
    }
}

#[test]
fn the_check_finds_lost_torn_and_invented_updates() {
    let row = |number: u64| -> Value { serde_json::from_str(&numbered("k", number)).unwrap() };
    let known = |sent, sure| HashMap::from([("k".to_owned(), Known { sent, sure })]);
    let found = |rows: &[Value], sent, sure| faults(rows, &known(sent, sure), &known(sent, sure));
    assert_eq!(found(&[row(5)], 6, 5), [""; 0]);
    assert_eq!(found(&[row(6)], 6, 5), [""; 0], "an update without an answer may be there");
    assert!(found(&[row(4)], 6, 5)[0].starts_with("lost"));
    assert!(found(&[], 6, 5)[0].starts_with("lost"));
    assert!(found(&[row(7)], 6, 5)[0].starts_with("invented"));
    let mut torn = row(5);
    torn["files"][0]["name"] = "file-4".into();
    assert!(found(&[torn], 6, 5)[0].starts_with("torn"));
    assert!(found(&[row(5), row(5)], 6, 5)[0].starts_with("twice"));
}
