//! The program is killed while it folds the sightings log into the rows of the entries.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::support::{Client, Connection, Process, run_sql, stored, update_request, wait_until};

const NO_ARGUMENTS: &[&str] = &[];
const WRITERS: usize = 4;
const KEYS: usize = 6000;
/// How many unanswered updates a writer keeps in flight.
const AT_ONCE: usize = 25;
/// How many sightings of each entry are in the log before the first kill, in commits of forty. They
/// exceed the 65,536 at which a fold begins.
const ROUNDS: usize = 12;
const COMMITS: usize = ROUNDS * KEYS / 40;
const SEE_ALL: &str = "
    with recursive commits (number) as (
        select 0 union all select number + 1 from commits where number + 1 < 12 * 150
    )
    insert into sightings (revision, seen)
    select revision + 1 + number, (
        select json_group_array(json_array(repo, server, printf(
            '2026-04-21T10:32:15.%09dZ', server / 4 + 1500 * (1 + number / 150)
        ), updated_at))
        from entries
        where server >= printf('%05d', number % 150 * 40)
            and server < printf('%05d', number % 150 * 40 + 40)
    ) from meta cross join commits;
    update meta set revision = revision + 1800;
";

/// How many updates a writer has sent, for its keys in turn. All were acknowledged except those that
/// were in flight when the program was killed.
#[derive(Debug, Default)]
struct Sent {
    count: usize,
    unanswered: Vec<std::ops::Range<usize>>,
}

fn key(writer: usize, number: usize) -> usize {
    writer + number % (KEYS / WRITERS) * WRITERS
}

/// A writer's update with this number. Only its time differs from the update before.
fn update(writer: usize, number: usize) -> String {
    let body = serde_json::json!({
        "repo": "folding", "server": format!("{:05}", key(writer, number)), "sync_status": "SYNCED",
        "drift_count": 0, "files": [], "last_check": time(number),
    });
    update_request(&body.to_string())
}

fn time(number: usize) -> String {
    format!("2026-04-21T10:32:15.{number:09}Z")
}

/// Sends pipelined updates, and returns how many were answered before the server was gone.
fn answers_to(stream: &mut Connection, block: &str) -> usize {
    let (mut answered, mut text, mut piece) = (0, String::new(), [0; 16 * 1024]);
    if stream.write_all(block.as_bytes()).is_err() {
        return 0;
    }
    while answered < AT_ONCE {
        let count = stream.read(&mut piece).unwrap_or(0);
        text += std::str::from_utf8(&piece[..count]).unwrap();
        answered = text.matches("Status updated successfully").count();
        assert!(!text.contains("error"), "an update was refused: {text}");
        if count == 0 {
            break;
        }
    }
    answered
}

impl Sent {
    /// Sends updates until the given number is reached or the server is gone.
    fn write(&mut self, client: Client, writer: usize, most: usize, acknowledged: &AtomicUsize) {
        let Some(mut stream) = client.try_connect() else { return };
        while self.count < most {
            let sent = self.count..self.count + AT_ONCE;
            self.count = sent.end;
            let block: String = sent.clone().map(|number| update(writer, number)).collect();
            let answered = answers_to(&mut stream, &block);
            acknowledged.fetch_add(answered, Ordering::SeqCst);
            if answered < AT_ONCE {
                self.unanswered.push(sent.start + answered..sent.end);
                return;
            }
        }
    }

    /// Whether the server may show this number: no later update of its key was acknowledged.
    fn allows(&self, seen: usize) -> bool {
        let is_unanswered = |number| self.unanswered.iter().any(|range| range.contains(&number));
        let mut later = (seen + KEYS / WRITERS..self.count).step_by(KEYS / WRITERS);
        seen < self.count && later.all(is_unanswered)
    }
}

/// Runs all writers until each has sent `most` updates or the server is gone.
fn write(
    writers: &mut [Sent],
    client: Client,
    most: usize,
    acknowledged: &AtomicUsize,
    meanwhile: impl FnOnce(),
) {
    thread::scope(|scope| {
        for (writer, sent) in writers.iter_mut().enumerate() {
            scope.spawn(move || sent.write(client, writer, most, acknowledged));
        }
        meanwhile();
    });
}

/// Checks the list of a server against the updates that it acknowledged.
fn check(server: &Process, writers: &[Sent]) {
    let mut shown = 0;
    for row in server.list("") {
        let key: usize = row["server"].as_str().unwrap().parse().unwrap();
        let time = row["last_check"].as_str().unwrap();
        let number: usize = time[20..29].parse().unwrap();
        let writer = key % WRITERS;
        assert!(writers[writer].allows(number), "{key} is of {number}: {writers:?}");
        shown += 1;
    }
    assert_eq!(shown, KEYS);
}

/// How many entries have been folded (their rows have times that only the log had), and how many of
/// the commits up to this revision the log still has.
fn folded_and_logged(path: &Path, last: usize) -> (usize, usize) {
    let folded = "select cast(count(*) as text) from entries \
                  where substr(last_check, 21, 9) >= '000016500'";
    let logged = stored(path, "select cast(revision as text) from sightings");
    let logged = logged.iter().filter(|revision| revision.parse::<usize>().unwrap() <= last);
    (stored(path, folded)[0].parse().unwrap(), logged.count())
}

#[test]
fn no_kill_during_a_fold_loses_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("status.db");
    let mut writers: Vec<Sent> = (0..WRITERS).map(|_| Sent::default()).collect();
    let acknowledged = AtomicUsize::new(0);
    let mut server = Process::start(&path, NO_ARGUMENTS);
    write(&mut writers, server.client, KEYS / WRITERS, &acknowledged, || ());
    assert_eq!(acknowledged.load(Ordering::SeqCst), KEYS);
    assert_eq!(server.terminate().code(), Some(0));
    run_sql(&path, SEE_ALL);
    let last = stored(&path, "select cast(revision as text) from meta")[0].parse().unwrap();
    for sent in &mut writers {
        sent.count += ROUNDS * KEYS / WRITERS;
    }
    let (mut while_folding, mut while_trimming) = (0, 0);
    for kill in 0.. {
        let server = Process::start(&path, NO_ARGUMENTS);
        check(&server, &writers);
        // Each life is longer than the one before, so that some kill hits every part of a fold.
        let goal = acknowledged.load(Ordering::SeqCst) + 40 * (kill + 1);
        write(&mut writers, server.client, usize::MAX, &acknowledged, || {
            wait_until("there is load", || acknowledged.load(Ordering::SeqCst) >= goal);
            server.kill();
        });
        let (written, logged) = folded_and_logged(&path, last);
        while_folding += usize::from(0 < written && written < KEYS);
        while_trimming += usize::from(logged < COMMITS);
        if while_trimming == 3 {
            break;
        }
        assert!(kill < 100, "it is never done: {written} are folded, {logged} commits are logged");
    }
    let mut server = Process::start(&path, NO_ARGUMENTS);
    check(&server, &writers);
    assert!(while_folding > 0, "no kill came while anything was folded");
    assert_eq!(server.terminate().code(), Some(0));
}
