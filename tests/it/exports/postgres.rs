//! From SQLite to PostgreSQL, and back.

use std::io::{BufRead, BufReader, Read};
use std::thread;

use super::refused::kill_while_importing;
use super::*;

/// Whether somebody holds or awaits a lock, by a condition on `pg_locks`.
fn is_locked(database: &PostgresDatabase, how: &str) -> bool {
    let sql = format!(
        "select 'yes' from pg_locks where {how} \
         and database = (select oid from pg_database where datname = current_database())"
    );
    !database.stored(&sql).is_empty()
}

/// Whether an import has begun its transaction.
fn is_being_filled(database: &PostgresDatabase) -> bool {
    is_locked(database, "mode = 'AccessExclusiveLock'")
}

fn replica_on(database: &PostgresDatabase) -> Process {
    Process::run(&mut Process::command_on(&database.url()))
}

#[test]
fn entries_and_history_move_to_postgresql_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let [old, back] = ["old.db", "back.db"].map(|name| folder.path().join(name));
    let exported = with_everything(&old);
    let moved = PostgresDatabase::create();
    import_text(&exported, &moved);
    let again = export(&moved);
    assert_eq!(records(&again), records(&exported));
    import_text(&again, &back);
    assert_eq!(records(&export(&back)), records(&exported));
    let (old, moved) = (served(&old, DAYS), served(&moved, DAYS));
    assert_alike(&old, &moved);
    assert_alike(&old, &served(&back, DAYS));
    // The next ids are those that follow.
    for app in [&old, &moved] {
        app.accept(report("repo", "later", "SYNCED", &[]));
    }
    assert_alike(&old, &moved);
}

#[test]
fn a_postgresql_database_is_exported_beside_its_replicas_and_filled_only_without_them() {
    let folder = tempfile::tempdir().unwrap();
    let exported = with_everything(&folder.path().join("old.db"));
    let database = PostgresDatabase::create();
    let (status, _, error) = run(&mut command(&["export"], &database));
    assert_eq!(status, Some(65), "{error}");
    assert!(error.contains("it has nothing of this program"), "{error}");

    let mut replica = replica_on(&database);
    let file = folder.path().join("whole.jsonl");
    fs::write(&file, &exported).unwrap();
    let (status, _, error) = import(&file, &database);
    assert_eq!(status, Some(75), "{error}");
    replica.accept(report("repo", "server", "SYNCED", &[]));
    assert!(export(&database).contains("{\"entry\":{\"repo\":\"repo\",\"server\":\"server\""));
    assert_eq!(replica.terminate().code(), Some(0));
    let before = export(&database);
    let (status, _, error) = import(&file, &database);
    assert_eq!(status, Some(65), "{error}");
    assert!(error.contains("it is not empty; it was left as it is."), "{error}");
    assert_eq!(records(&export(&database)), records(&before));
}

#[test]
fn an_import_into_postgresql_that_breaks_off_leaves_nothing() {
    let (folder, path) = filled();
    let whole = export(&path);
    let database = PostgresDatabase::create();
    kill_while_importing(&whole, &database, || is_being_filled(&database));
    let cut = folder.path().join("cut.jsonl");
    fs::write(&cut, &whole[..whole.len() - 100]).unwrap();
    let (status, _, error) = import(&cut, &database);
    assert_eq!(status, Some(65), "{error}");
    let held = "select count(*) || '' from (select id::text from transitions \
                union all select server from entries union all select began::text from outages) held";
    assert_eq!(database.stored(held), ["0"]);
    import_text(&whole, &database);
    assert_eq!(records(&export(&database)), records(&whole));
}

#[test]
fn an_import_fills_the_empty_postgresql_database_of_a_replica_that_has_ended() {
    let (_folder, path) = filled();
    let exported = export(&path);
    let database = PostgresDatabase::create();
    assert_eq!(replica_on(&database).terminate().code(), Some(0));
    import_text(&exported, &database);
    let replica = replica_on(&database);
    assert_eq!(replica.list("").len(), 50);
    replica.accept(report("repo", "later", "SYNCED", &[]));
}

#[test]
fn a_replica_that_hung_while_an_import_began_stores_nothing_beside_it() {
    let (_folder, path) = filled();
    let whole = export(&path);
    let database = PostgresDatabase::create();
    let replica = replica_on(&database);
    // Its session for commits is open.
    replica.accept(report("repo", "cleared", "SYNCED", &[]));
    Cluster::shared().run(database.name(), "truncate entries, transitions");
    replica.signal("STOP");
    wait_until("the server works at nothing for it", || {
        let works = "select 'yes' from pg_stat_activity where state = 'active' \
                     and datname = current_database() and pid <> pg_backend_pid()";
        database.stored(works).is_empty()
    });
    // As a minute later.
    Cluster::shared().run(database.name(), "delete from replicas");
    let mut importing = command(&["import", "-"], &database);
    let mut importing = importing.stdin(Stdio::piped()).spawn().unwrap();
    let mut input = importing.stdin.take().unwrap();
    let (first, last) = whole.split_at(whole.len() - 100);
    input.write_all(first.as_bytes()).unwrap();
    wait_until("the import is under way", || is_being_filled(&database));
    replica.signal("CONT");
    thread::scope(|scope| {
        let update = scope.spawn(|| replica.post(report("repo", "later", "SYNCED", &[])));
        wait_until("its commit waits", || {
            is_locked(&database, "locktype = 'advisory' and not granted")
        });
        input.write_all(last.as_bytes()).unwrap();
        drop(input);
        assert_eq!(importing.wait().unwrap().code(), Some(0));
        update.join().unwrap().error(503);
    });
    assert_eq!(records(&export(&database)), records(&whole));
    assert_eq!(replica.get("/health").json()["status"], "degraded");
}

#[test]
fn updates_go_on_beside_an_export_from_postgresql_and_are_not_in_it() {
    let database = PostgresDatabase::create();
    let replica = replica_on(&database);
    // A pipe holds less.
    let names: Vec<String> = (0..100).map(|number| format!("{number:0200}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for number in 0..10 {
        replica.accept(report("repo", &format!("server-{number}"), "OUT_OF_SYNC", &names));
    }
    let before = export(&database);
    let mut exporting = command(&["export"], &database).spawn().unwrap();
    let mut output = BufReader::new(exporting.stdout.take().unwrap());
    let mut text = String::new();
    output.read_line(&mut text).unwrap();
    replica.accept(report("repo", "later", "SYNCED", &[]));
    replica.accept(report("repo", "server-0", "SYNCED", &[]));
    let removed = replica.send("DELETE", "/api/status?repo=repo&server=server-1", &[], b"");
    assert_eq!(removed.status, 200);
    output.read_to_string(&mut text).unwrap();
    assert!(exporting.wait().unwrap().success());
    assert_eq!(records(&text), records(&before));
    import_text(&text, &PostgresDatabase::create());
    assert!(export(&database).contains("\"server\":\"later\""));
}

/// No server is at that address, which is reserved for documents.
#[test]
fn an_export_and_an_import_warn_of_a_connection_that_is_not_safe() {
    let (folder, path) = filled();
    let file = folder.path().join("whole.jsonl");
    fs::write(&file, export(&path)).unwrap();
    let url = "postgres://u:hunter2@192.0.2.1/d?connect_timeout=1";
    for (mode, is_warned_of) in [("require", true), ("verify-full", false)] {
        for words in [&["export"][..], &["import", file.to_str().unwrap()]] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_gitops-status-server"));
            command.env_clear().args(words).arg("--database-url");
            let (status, _, said) = run(command.arg(format!("{url}&sslmode={mode}")));
            assert_eq!(status, Some(74), "{said}");
            let warning = "WARN ] The connection to the database is not safe: sslmode=require";
            assert_eq!(said.contains(warning), is_warned_of, "{words:?} {mode}: {said}");
            let last = said.lines().last().unwrap();
            assert!(last.starts_with("error: the database d on 192.0.2.1:5432"), "{said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
}

#[test]
fn what_pg_dump_wrote_beside_a_replica_is_restored_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let exported = with_everything(&folder.path().join("old.db"));
    let [old, restored] = [PostgresDatabase::create(), PostgresDatabase::create()];
    import_text(&exported, &old);
    let app = served(&old, DAYS);
    let dump = run_tool("pg_dump", "postgresql", &[&old.url()], "");
    let to = ["--quiet", "--set=ON_ERROR_STOP=1", &restored.url()];
    run_tool("psql", "postgresql", &to, &dump);
    assert_alike(&app, &served(&restored, DAYS));
}
