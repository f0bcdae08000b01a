//! Questions about the history that nobody waits for, in a PostgreSQL database.

use std::time::Duration;

use gitops_status_server::domain::{Filter, HistoryQuery, TimeRange};
use gitops_status_server::store::postgres::PostgresStore;
use gitops_status_server::store::{Archive, Store};
use sqlx::{Connection, PgConnection};

use super::replicas::open;
use crate::support::{Cluster, PostgresDatabase, ROLE};

fn everything() -> HistoryQuery {
    HistoryQuery {
        filter: Filter::default(),
        events: Vec::new(),
        range: TimeRange::ALL,
        after: None,
        limit: 10,
    }
}

/// A session that keeps everybody from reading the history.
struct Lock(PgConnection);

impl Lock {
    async fn take(database: &PostgresDatabase) -> Self {
        let mut session = PgConnection::connect(&database.url()).await.unwrap();
        let lock = "begin; lock table transitions in access exclusive mode";
        sqlx::raw_sql(lock).execute(&mut session).await.unwrap();
        Self(session)
    }

    async fn end(self) {
        self.0.close().await.unwrap();
    }
}

/// Asks for the history behind a lock, and leaves.
async fn ask_and_leave(store: &PostgresStore) {
    let query = everything();
    let asked = tokio::time::timeout(Duration::from_millis(300), store.history(&query));
    assert!(asked.await.is_err(), "the lock holds nobody up");
}

/// Abandoned questions once took a session of the server each, for ten seconds.
#[actix_web::test]
async fn a_question_that_nobody_waits_for_ends_and_its_session_answers_the_next() {
    let database = PostgresDatabase::create();
    let store = open(&database).await;
    store.history(&everything()).await.unwrap();
    let lock = Lock::take(&database).await;
    for _ in 0..8 {
        ask_and_leave(&store).await;
    }
    let sessions = "select count(*)::text from pg_stat_activity \
         where datname = current_database() and application_name = 'tests' and query like '%transitions%'";
    let sessions = database.stored(sessions)[0].parse::<u32>().unwrap();
    assert!(sessions <= 2, "{sessions} sessions");
    lock.end().await;
    store.history(&everything()).await.unwrap();
    store.close().await;
}

/// Stands in for what cancels, and notes what it was asked to cancel.
const CANCELLED: &str = "\
    create table cancelled (process integer); \
    create function pg_cancel_backend(process integer) returns boolean language sql \
        as 'insert into cancelled values (process) returning true'";
/// Stands in for the processes of a server that took over: of the same numbers, and younger.
const OTHERS: &str = "\
    create view pg_stat_activity as select pid, usename, query, \
        backend_start + interval '1 hour' as backend_start from pg_catalog.pg_stat_activity";

/// After a failover, the process of that number may be a commit that waits for its standby. When it is
/// cancelled, it counts as made.
#[actix_web::test]
async fn a_question_that_nobody_waits_for_cancels_no_other_process_of_its_number() {
    let database = PostgresDatabase::create();
    let name = database.name();
    let run = |sql: &str| Cluster::shared().run(name, sql);
    run(&format!("alter database {name} set search_path = public, pg_catalog"));
    run(CANCELLED);
    run(&format!("grant insert, select on cancelled to {ROLE}"));
    let store = open(&database).await;
    let ask = async || {
        store.history(&everything()).await.unwrap();
        let lock = Lock::take(&database).await;
        ask_and_leave(&store).await;
        lock.end().await;
        store.history(&everything()).await.unwrap();
        database.stored("select count(*)::text from cancelled").remove(0)
    };
    store.history(&everything()).await.unwrap();
    run(OTHERS);
    run(&format!("grant select on pg_stat_activity to {ROLE}"));
    assert_eq!(ask().await, "0");
    run("drop view pg_stat_activity");
    assert_eq!(ask().await, "1", "its own one is cancelled");
    store.close().await;
}
