//! PostgreSQL as the tests use it.

use crate::support::{Cluster, PostgresDatabase, run_tool};

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
