//! PostgreSQL as the tests use it, and what the program asks of it.

use crate::support::{Cluster, PostgresDatabase, Process, ROLE, report, run_tool, wait_until};

#[test]
fn each_test_has_a_database_of_its_own_in_which_its_role_may_do_everything() {
    let (one, two) = (PostgresDatabase::create(), PostgresDatabase::create());
    let sql = "create table marks (mark text); insert into marks values ('a')";
    run_tool("psql", "postgresql", &["-v", "ON_ERROR_STOP=1", &one.url(), "-c", sql], "");
    assert_eq!(one.stored("select mark from marks"), ["a"]);
    let tables = "select count(*) from pg_tables where schemaname = 'public'";
    assert_eq!(two.stored(tables), ["0"]);
    let copy = PostgresDatabase::from(one.name());
    assert_eq!(copy.stored("select mark from marks"), ["a"]);
}

#[test]
fn a_server_leaves_nothing_behind() {
    let cluster = Cluster::start("");
    let folder = cluster.socket_folder().to_owned();
    assert!(folder.exists());
    drop(cluster);
    assert!(!folder.exists());
}

/// 20,000 transitions of 200 pairs, one a minute, of which the planner knows nothing.
const WITHOUT_STATISTICS: &str = "\
    alter table transitions set (autovacuum_enabled = false); \
    insert into transitions (at, repo, server, event, sync_status, drift_count, \
        files_added, files_added_count, files_removed, files_removed_count) \
    select 1776000000000 + 60000 * n::bigint, 'repo', 'server-' || n % 200, 'synced', 'SYNCED', 0, \
        '[]', 0, '[]', 0 \
    from generate_series(0, 19999) as n";

#[test]
fn a_page_of_a_history_that_has_just_been_imported_is_read_without_the_rest() {
    let database = PostgresDatabase::create();
    let start = || Process::run(&mut Process::command_on(&database.url()));
    assert!(start().terminate().success());
    Cluster::shared().run(database.name(), WITHOUT_STATISTICS);
    let read = "select sum(idx_tup_read)::text from pg_stat_user_indexes \
                where indexrelname = 'transitions_by_time'";
    let before: u64 = database.stored(read)[0].parse().unwrap();
    let mut replica = start();
    let page = replica.get("/api/history?limit=1000").json();
    assert_eq!(page["items"].as_array().unwrap().len(), 1000);
    // Sessions report what they have read when they end.
    assert!(replica.terminate().success());
    let mut tuples = 0;
    wait_until("the sessions have reported", || {
        let now: u64 = database.stored(read)[0].parse().unwrap();
        tuples = now - before;
        tuples > 0
    });
    assert!(tuples < 2000, "{tuples} were read for a page of 1000");
}

/// Notes how durable each commit is, and a setting by which a session shows that it has heard of a reload.
const NOTE_COMMITS: &str = "\
    create table noted (durable text, reloaded text); \
    create function note() returns trigger language plpgsql security definer as $$ begin \
        insert into noted values ( \
            current_setting('synchronous_commit'), current_setting('deadlock_timeout') \
        ); \
        return null; \
    end $$; \
    create trigger note after insert on commits for each statement execute function note()";

#[test]
fn a_server_that_stops_waiting_for_its_disk_still_waits_for_updates_of_sessions_that_are_open() {
    let cluster = Cluster::start("");
    cluster.run("postgres", &format!("create database own owner {ROLE}"));
    let replica = Process::run(&mut Process::command_on(&cluster.url("own")));
    replica.accept(report("repo", "a", "SYNCED", &[]));
    cluster.run("own", NOTE_COMMITS);
    for change in ["synchronous_commit = off", "deadlock_timeout = '1234ms'"] {
        cluster.run("postgres", &format!("alter system set {change}"));
    }
    cluster.run("postgres", "select pg_reload_conf()");
    let mut durable = Vec::new();
    wait_until("its session has heard of it", || {
        replica.accept(report("repo", "a", "SYNCED", &[]));
        let noted = "select durable from noted where reloaded = '1234ms'";
        durable = cluster.stored("own", noted);
        !durable.is_empty()
    });
    assert_eq!(durable[0], "on");
}
