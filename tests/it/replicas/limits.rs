//! The limits hold for all replicas together.

use std::thread;

use super::kit::{agree, metric, replicas};
use crate::support::{PostgresDatabase, Process, report};

/// Sends reports of new pairs of a repository to each replica, all at once; returns how many were
/// stored.
fn race(replicas: &[Process], repo: &str, each: usize) -> usize {
    let send = |number: usize| {
        let replica = &replicas[number % replicas.len()];
        let stored = (0..each).filter(|pair| {
            let reply = replica.post(report(repo, &format!("s{number}-{pair}"), "SYNCED", &[]));
            assert!([200, 507].contains(&reply.status), "{}", reply.text());
            reply.status == 200
        });
        stored.count()
    };
    thread::scope(|scope| {
        let senders = (0..replicas.len() * 3).map(|number| scope.spawn(move || send(number)));
        let senders: Vec<_> = senders.collect();
        senders.into_iter().map(|sender| sender.join().unwrap()).sum()
    })
}

#[test]
fn max_entries_is_exact_however_many_replicas_race_for_the_last_place() {
    let database = PostgresDatabase::create();
    let replicas = replicas::<3>(&database, &["--max-entries", "50"]);
    assert_eq!(race(&replicas, "repo", 15), 50);
    assert_eq!(database.stored("select count(*)::text from entries"), ["50"]);
    agree(&replicas);
    replicas[2].post(report("repo", "new", "SYNCED", &[])).error(507);
    let name = replicas[0].list("?limit=1")[0]["server"].as_str().unwrap().to_owned();
    let removed =
        replicas[0].send("DELETE", &format!("/api/status?repo=repo&server={name}"), &[], b"");
    assert_eq!(removed.status, 200);
    agree(&replicas);
    assert_eq!(race(&replicas, "more", 1), 1, "one place has become free");
}

#[test]
fn max_stored_bytes_is_exact_however_many_replicas_race_for_the_last_bytes() {
    let database = PostgresDatabase::create();
    let replicas = replicas::<3>(&database, &["--max-stored-bytes", "12000"]);
    let stored = race(&replicas, "repo", 15);
    agree(&replicas);
    let bytes = metric(&replicas[0], "gitops_status_stored_bytes");
    // Names of pairs differ by two characters at most. New entries have nine tenths of the bytes.
    let row = bytes / stored + 2;
    assert!((10_800..10_800 + row).contains(&bytes), "{stored} rows are {bytes}");
}
