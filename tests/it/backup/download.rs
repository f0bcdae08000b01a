//! `GET /api/backup`.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::assert_whole;
use crate::disk::SmallDisk;
use crate::support::{
    Client, PostgresDatabase, Process, Reply, TestApp, report, run_sql, stored, wait_until,
};

const NO_ARGUMENTS: &[&str] = &[];

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("status.db");
    (folder, path)
}

/// Makes a database with some megabytes of history.
fn long_history(path: &Path) {
    assert_eq!(Process::start(path, NO_ARGUMENTS).terminate().code(), Some(0));
    run_sql(
        path,
        "insert into transitions (at, revision, repo, server, event, sync_status, drift_count, \
             files_added, files_added_count, files_removed, files_removed_count) \
         with recursive number (n) as (select 1 union all select n + 1 from number where n < 3000) \
         select 1776767535000 + n, 0, 'old', 's' || n % 50, 'changed', 'SYNCED', 1, \
             '[\"' || hex(randomblob(100)) || '\"]', 1, '[\"b\"]', 1 from number",
    );
}

fn take(client: &Client) -> Reply {
    let reply = client.get("/api/backup");
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.is_complete(), "a length, so that a cut download is noticed");
    reply
}

fn save(reply: &Reply, to: &Path) {
    fs::write(to, &reply.body).unwrap();
}

/// Returns the names in the folder of a database.
fn names_beside(path: &Path) -> Vec<String> {
    let names = fs::read_dir(path.parent().unwrap()).unwrap();
    let mut names: Vec<String> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn is_left_behind(path: &Path) -> bool {
    names_beside(path).iter().any(|name| name.contains(".backup"))
}

#[test]
fn a_backup_is_a_database_with_a_length_a_digest_and_a_name_that_sorts_by_time() {
    let app = TestApp::spawn();
    app.accept(report("nginx", "web-1", "OUT_OF_SYNC", &["nginx.conf"]));
    let reply = take(&app);
    assert_eq!(reply.header("content-type"), Some("application/vnd.sqlite3"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let name = "attachment; filename=\"gitops-status-20260421T103215Z.db\"";
    assert_eq!(reply.header("content-disposition"), Some(name));
    let digest = format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(&reply.body)));
    assert_eq!(reply.header("repr-digest"), Some(digest.as_str()));
    let copy = app.database().with_file_name("copy.db");
    save(&reply, &copy);
    assert_whole(&copy);
    assert_eq!(stored(&copy, "select repo || server from entries"), ["nginxweb-1"]);
    assert!(!is_left_behind(&app.database()));
    let head = app.send("HEAD", "/api/backup", &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
    let inflated = app.get_with("/api/backup", &[("Accept-Encoding", "gzip")]).inflated();
    fs::write(&copy, inflated).unwrap();
    assert_whole(&copy);
}

/// Ends the load, also when the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn twenty_backups_under_load_are_whole_and_have_every_update_acknowledged_before() {
    let (folder, path) = place();
    long_history(&path);
    let server = Process::start(&path, NO_ARGUMENTS);
    let (client, is_over) = (server.client, AtomicBool::new(false));
    let acknowledged: [AtomicU64; 4] = Default::default();
    thread::scope(|scope| {
        for (writer, count) in acknowledged.iter().enumerate() {
            let is_over = &is_over;
            scope.spawn(move || {
                let files: Vec<String> = (0..20).map(|file| format!("{file:0>500}")).collect();
                let files: Vec<&str> = files.iter().map(String::as_str).collect();
                for number in 1.. {
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    // Three pages of the log for each update, and few of the file.
                    let name = format!("{writer}");
                    let update = report("load", &name, "OUT_OF_SYNC", &files);
                    let update =
                        update.replace("\"drift_count\":20", &format!("\"drift_count\":{number}"));
                    client.accept(update);
                    count.store(number, Ordering::Relaxed);
                }
            });
        }
        let _over = Over(&is_over);
        for number in 0..20 {
            let before: Vec<u64> =
                acknowledged.iter().map(|count| count.load(Ordering::Relaxed)).collect();
            let copy = folder.path().join(format!("copy-{number}.db"));
            save(&take(&client), &copy);
            assert_whole(&copy);
            assert_eq!(
                stored(&copy, "select count(*) || '' from transitions where revision = 0"),
                ["3000"]
            );
            for (writer, least) in before.into_iter().enumerate() {
                let found = stored(&copy, "select server || ' ' || drift_count from entries");
                let count = found.iter().find_map(|row| row.strip_prefix(&format!("{writer} ")));
                let count: u64 = count.map_or(0, |count| count.parse().unwrap());
                assert!(
                    count >= least,
                    "{number}: writer {writer} had {least}, and it has {count}"
                );
            }
            fs::remove_file(copy).unwrap();
            let log = fs::metadata(folder.path().join("status.db-wal")).map_or(0, |log| log.len());
            assert!(log < 64_000_000, "the log has {log} bytes");
        }
    });
    assert!(!is_left_behind(&path));
}

#[test]
fn a_backup_waits_for_the_one_before_it() {
    let (folder, path) = place();
    long_history(&path);
    let server = Process::start(&path, NO_ARGUMENTS);
    let replies: Vec<Reply> = thread::scope(|scope| {
        let clients: Vec<_> = (0..3).map(|_| scope.spawn(|| take(&server.client))).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    for reply in replies {
        let copy = folder.path().join("copy.db");
        save(&reply, &copy);
        assert_whole(&copy);
    }
}

#[test]
fn a_client_that_leaves_leaves_nothing_behind_and_the_next_gets_its_backup() {
    let (_folder, path) = place();
    long_history(&path);
    let server = Process::start(&path, NO_ARGUMENTS);
    for read in [0, 1, 300_000] {
        let mut stream = server.connect();
        stream.write_all(b"GET /api/backup HTTP/1.1\r\nHost: t\r\n\r\n").unwrap();
        stream.read_exact(&mut vec![0; read]).unwrap();
        drop(stream);
        wait_until("the copy is gone", || !is_left_behind(&path));
    }
    take(&server);
    assert!(!is_left_behind(&path));
}

#[test]
fn a_disk_without_room_for_a_copy_is_a_507_that_says_how_much_it_needs() {
    let disk = SmallDisk::mount();
    let path = disk.path().join("status.db");
    let server = Process::start(&path, NO_ARGUMENTS);
    server.accept(report("nginx", "web-1", "SYNCED", &[]));
    let message = server.get("/api/backup").error(507);
    assert!(
        message.starts_with("There is no room for a copy beside the database: it needs 67"),
        "{message}"
    );
    assert!(!is_left_behind(&path));
    server.accept(report("nginx", "web-2", "SYNCED", &[]));
}

#[test]
fn a_kill_while_a_backup_is_made_leaves_nothing_after_the_next_start() {
    let (_folder, path) = place();
    long_history(&path);
    let server = Process::start(&path, NO_ARGUMENTS);
    let mut stream = server.connect();
    stream.write_all(b"GET /api/backup HTTP/1.1\r\nHost: t\r\n\r\n").unwrap();
    wait_until("a copy is being made", || is_left_behind(&path));
    server.kill();
    let mut server = Process::start(&path, NO_ARGUMENTS);
    assert!(!is_left_behind(&path), "{:?}", names_beside(&path));
    take(&server);
    assert_eq!(server.terminate().code(), Some(0));
    assert_eq!(names_beside(&path), ["status.db", "status.db.lock"]);
}

#[test]
fn a_damaged_database_gives_no_backup_and_says_why() {
    let (_folder, path) = place();
    long_history(&path);
    let pages = fs::metadata(&path).unwrap().len() / 4096;
    let file = fs::File::options().write(true).open(&path).unwrap();
    // A page in the middle belongs to the history, of which a start reads only the ends.
    std::os::unix::fs::FileExt::write_all_at(&file, &[0xff; 4096], pages / 2 * 4096).unwrap();
    let server = Process::start(&path, NO_ARGUMENTS);
    let message = server.get("/api/backup").error(500);
    assert!(message.contains("the database is damaged"), "{message}");
    let line = "GET /api/backup from 127.0.0.1 failed: the copy is not sound";
    wait_until("the log says so", || server.log().contains(line));
    assert!(!is_left_behind(&path));
}

#[test]
fn a_database_of_postgresql_is_backed_up_by_its_own_tools() {
    let database = PostgresDatabase::create();
    let server = Process::run(&mut Process::command_on(&database.url()));
    for method in ["GET", "HEAD"] {
        assert_eq!(server.send(method, "/api/backup", &[], b"").status, 501);
    }
    let message = server.get("/api/backup").error(501);
    assert!(
        message.contains("pg_dump") && message.contains("gitops-status-server export"),
        "{message}"
    );
}
