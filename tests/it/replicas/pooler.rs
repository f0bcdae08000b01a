//! Replicas that reach their database through `PgBouncer`, as docs/postgres.md sets it up.

use std::thread;

use sqlx::{Connection, PgConnection};
use tokio::runtime::Builder;

use super::kit::{agree, command, replica};
use crate::support::{Cluster, Pooler, PostgresDatabase, Process, report, wait_until};

#[test]
fn replicas_work_through_a_pooler_of_sessions_and_their_limits_are_in_force() {
    let database = PostgresDatabase::create();
    let pooler = Pooler::before(&database, "session");
    let replicas = [replica(&pooler.url(), &[]), replica(&pooler.url(), &[])];
    for (number, replica) in replicas.iter().enumerate() {
        replica.accept(report("repo", &format!("s{number}"), "OUT_OF_SYNC", &["a.conf"]));
        agree(&replicas);
    }
    let removed = replicas[0].send("DELETE", "/api/status?repo=repo&server=s1", &[], b"");
    assert_eq!(removed.status, 200);
    agree(&replicas);
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let mut other = runtime.block_on(PgConnection::connect(&database.url())).unwrap();
    let mut run = |sql| runtime.block_on(sqlx::raw_sql(sql).execute(&mut other)).unwrap();
    run("begin; lock table entries in access exclusive mode");
    thread::scope(|scope| {
        let blocked = scope.spawn(|| replicas[0].post(report("repo", "s0", "SYNCED", &[])));
        let ended = format!("@{} ERROR:  canceling statement due to ", database.name());
        wait_until("the server ends the wait", || Cluster::shared().log().contains(&ended));
        run("rollback");
        assert_eq!(blocked.join().unwrap().status, 200);
    });
    // A new replica gets a session that another one has given back.
    let [mut one, other] = replicas;
    assert!(one.terminate().success());
    agree(&[&*other, &*replica(&pooler.url(), &[])]);
}

#[test]
fn a_pooler_that_mixes_sessions_ends_the_start_with_65_and_says_what_to_do() {
    let database = PostgresDatabase::create();
    for mode in ["transaction", "statement"] {
        let pooler = Pooler::before(&database, mode);
        // The second one meets what the first one has left in the pooler's sessions.
        for _ in 0..2 {
            let (status, said) = Process::run_to_end(&mut command(&pooler.url(), &[]));
            assert_eq!(status.code(), Some(65), "{mode}: {said}");
            assert!(said.contains("a pooler mixes the sessions of its clients"), "{said}");
            assert!(said.contains("Set pool_mode = session, or name the server"), "{said}");
        }
    }
    let tables = "select count(*)::text from pg_tables where schemaname = 'public'";
    assert_eq!(database.stored(tables), ["0"], "nothing was changed");
}

#[test]
fn a_pooler_that_does_not_take_pgoptions_ends_the_start_with_74_and_says_so() {
    let database = PostgresDatabase::create();
    let pooler = Pooler::before(&database, "session");
    let mut command = command(&pooler.url(), &[]);
    let (status, said) = Process::run_to_end(command.env("PGOPTIONS", "-c work_mem=8MB"));
    assert_eq!(status.code(), Some(74), "{said}");
    assert!(
        said.contains("startup parameter: options (a pooler does not take PGOPTIONS)"),
        "{said}"
    );
}
