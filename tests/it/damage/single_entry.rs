//! Damage that keeps a single entry from being stored.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::{NO_ARGUMENTS, filled, zero_page};
use crate::support::{Process, report, run_sql, stored};

/// Neither the first leaf nor the last: those are looked at when the program starts.
const LEAF_BY_STATE: &str = "select pageno || '' from dbstat where name = 'transitions_by_state' \
    and pagetype = 'leaf' order by path limit 1 offset 1";

const LEAF_OF_ENTRIES: &str = "select pageno || '' from dbstat where name = 'entries' \
    and pagetype = 'leaf' order by path limit 1 offset 1";

const MORE_HISTORY: &str = "\
    insert into transitions (at, revision, repo, server, event, sync_status, drift_count, \
        files_added, files_added_count, files_removed, files_removed_count) \
    with recursive number (n) as (select 1 union all select n + 1 from number where n < 2000) \
    select 1700000000000 + n, 1, 'z', 's', 'changed', 'SYNCED', 0, '[]', 0, '[]', 0 from number";

/// More updates of times only than are logged before they are folded into the rows of the entries.
const MANY_SIGHTINGS: &str = "\
    with recursive commits (number) as ( \
        select 0 union all select number + 1 from commits where number + 1 < 240 \
    ) \
    insert into sightings (revision, seen) \
    select revision + 1 + number, ( \
        select json_group_array(json_array(repo, server, '2026-04-21T10:32:16Z', updated_at)) \
        from entries \
    ) from meta cross join commits; \
    update meta set revision = revision + 240";
const LOGGED_BEFORE: &str = "select revision || '' from sightings where revision <= 540";
const LOST_ROW: &str = "create trigger lost before update of last_check on entries \
    when old.server = 'server-7' begin select raise(abort, 'it is lost'); end";

#[test]
fn a_lost_row_of_one_entry_keeps_no_other_entry_from_being_stored_when_logged_times_are_folded() {
    let (_folder, path) = filled();
    run_sql(&path, MANY_SIGHTINGS);
    let server = Process::start(&path, NO_ARGUMENTS);
    run_sql(&path, LOST_ROW);
    let update = |number: usize| report("other", &format!("server-{number}"), "SYNCED", &[]);
    (0..30).for_each(|number| server.accept(update(number)));
    for number in 0..300 {
        server.accept(update(number % 30));
    }
    let failed = metric(&server, "gitops_status_commits_total{outcome=\"failed\"}");
    assert_eq!(failed, 0, "the store has done without the fold");
    let logged = stored(&path, LOGGED_BEFORE).len();
    assert_eq!(logged, 0, "the log is trimmed though one row cannot take its times");
    let times = |server: &Process| {
        let of_repo = server.list("?repo=repo");
        of_repo.iter().map(|entry| entry["last_check"].to_string()).collect::<Vec<_>>()
    };
    let before = times(&server);
    server.kill();
    assert_eq!(times(&Process::start(&path, NO_ARGUMENTS)), before, "no time is lost");
}

fn metric(server: &Process, name: &str) -> u64 {
    let metrics = server.get("/metrics").text();
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap().parse().unwrap()
}

/// Zeroes the page that a query finds while a server has the database open.
fn lose_page(path: &Path, query: &'static str) {
    let page: u64 = stored(path, query)[0].parse().unwrap();
    let file = File::options().write(true).open(path).unwrap();
    file.write_all_at(&[0; 4096], (page - 1) * 4096).unwrap();
}

/// Has one update repeated that cannot be stored, and meanwhile others stored.
fn repeat_in_vain(server: &Process, poison: &str) {
    let (client, stop) = (server.client, Arc::new(AtomicBool::new(false)));
    let loops: Vec<_> = (0..4)
        .map(|_| {
            let (body, stop) = (poison.to_owned(), Arc::clone(&stop));
            thread::spawn(move || {
                let mut refused = 0;
                while !stop.load(Ordering::Relaxed) {
                    let reply = client.post(body.clone());
                    assert!(reply.header("retry-after").is_some());
                    assert!(reply.error(503).contains("could not be stored"));
                    refused += 1;
                }
                refused
            })
        })
        .collect();
    for number in 0..300 {
        let status = ["SYNCED", "OUT_OF_SYNC"][number % 2];
        server.accept(report("z-good", &format!("server-{}", number % 7), status, &[]));
        assert_eq!(metric(server, "gitops_status_writable"), 1, "others are stored");
    }
    stop.store(true, Ordering::Relaxed);
    let refused = loops.into_iter().map(|refused| refused.join().unwrap()).sum::<u64>();
    assert!(refused > 100, "{refused} times is no loop");
    let failed = metric(server, "gitops_status_commits_total{outcome=\"failed\"}");
    assert!(failed * 10 < refused, "it is not tried each time: {failed} of {refused}");
}

#[test]
fn an_update_that_a_lost_page_keeps_from_being_stored_costs_no_other_entry_an_update() {
    let (_folder, path) = filled();
    // Other entries need other pages, and not even the pages next to this one.
    run_sql(&path, MORE_HISTORY);
    zero_page(&path, LEAF_BY_STATE);
    let server = Process::start(&path, NO_ARGUMENTS);
    let update = |number: usize| report("repo", &format!("server-{number}"), "SYNCED", &[]);
    let is_refused = |number: &usize| server.post(update(*number)).status == 503;
    let poison = (0..300).find(is_refused).expect("the page is to be needed by an update");
    repeat_in_vain(&server, &update(poison));
    server.accept(update((poison + 150) % 300));
}

#[test]
fn a_lost_page_of_entries_with_logged_times_costs_no_other_entry_an_update() {
    let (_folder, path) = filled();
    let server = Process::start(&path, NO_ARGUMENTS);
    let update = |number: usize, file: &str| {
        report("repo", &format!("server-{number}"), "OUT_OF_SYNC", &[file])
    };
    let seen = |number: usize| update(number, &format!("file-{number}.conf"));
    (0..300).for_each(|number| server.accept(seen(number)));
    lose_page(&path, LEAF_OF_ENTRIES);
    let is_refused = |number: &usize| server.post(update(*number, "another")).status == 503;
    let poison = (0..300).find(is_refused).expect("the page is to be needed by an update");
    repeat_in_vain(&server, &update(poison, "another"));
    (poison + 1..300).for_each(|number| server.accept(seen(number)));
}
