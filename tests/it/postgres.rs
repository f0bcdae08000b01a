//! PostgreSQL as the tests use it, and what the program asks of it.

use crate::support::{Cluster, PostgresDatabase, Process, run_tool, wait_until};

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
