//! From SQLite to PostgreSQL, and back.

use super::refused::kill_while_importing;
use super::*;
use crate::support::Cluster;

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

    let app = TestApp::with(|config| config.database_url = setting(&database));
    let file = folder.path().join("whole.jsonl");
    fs::write(&file, &exported).unwrap();
    // As a replica says that it runs.
    let says = "insert into replicas (id, name, version, settings, seen_at) \
                values (gen_random_uuid(), 'other', '', '', clock_timestamp())";
    Cluster::shared().run(database.name(), says);
    let (status, _, error) = import(&file, &database);
    assert_eq!(status, Some(75), "{error}");
    app.accept(report("repo", "server", "SYNCED", &[]));
    assert!(export(&database).contains("{\"entry\":{\"repo\":\"repo\",\"server\":\"server\""));
    drop(app);
    Cluster::shared().run(database.name(), "delete from replicas");
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
    kill_while_importing(&whole, &database, || {
        let locked = "select mode from pg_locks where mode = 'AccessExclusiveLock' \
                      and database = (select oid from pg_database where datname = current_database())";
        !database.stored(locked).is_empty()
    });
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
