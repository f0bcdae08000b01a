//! Questions about the history that take long, or that nobody waits for.

use std::time::Duration;

use futures_util::FutureExt;
use gitops_status_server::domain::{Filter, HistoryQuery, Prunable, PruneRule, TimeRange};
use gitops_status_server::store::postgres::PostgresStore;
use gitops_status_server::store::sqlite::SqliteStore;
use gitops_status_server::store::{Archive, Store};
use sqlx::{Connection, PgConnection, SqliteConnection};

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

/// Makes a database where something stands in for a function of the server.
fn with_stand_in(sql: &str) -> PostgresDatabase {
    let database = PostgresDatabase::create();
    let search = "set search_path = public, pg_catalog";
    Cluster::shared().run("postgres", &format!("alter database {} {search}", database.name()));
    Cluster::shared().run(database.name(), sql);
    let grant = format!("grant all on all tables in schema public to {ROLE}");
    Cluster::shared().run(database.name(), &grant);
    database
}

fn cancelled(database: &PostgresDatabase) -> String {
    database.stored("select count(*)::text from cancelled").remove(0)
}

/// After a failover, the process of that number may be a commit that waits for its standby. When it is
/// cancelled, it counts as made.
#[actix_web::test]
async fn a_question_that_nobody_waits_for_cancels_no_other_process_of_its_number() {
    let database = with_stand_in(CANCELLED);
    let run = |sql: &str| Cluster::shared().run(database.name(), sql);
    let store = open(&database).await;
    let ask = async || {
        store.history(&everything()).await.unwrap();
        let lock = Lock::take(&database).await;
        ask_and_leave(&store).await;
        lock.end().await;
        store.history(&everything()).await.unwrap();
        cancelled(&database)
    };
    store.history(&everything()).await.unwrap();
    run(OTHERS);
    run(&format!("grant select on pg_stat_activity to {ROLE}"));
    assert_eq!(ask().await, "0");
    run("drop view pg_stat_activity");
    assert_eq!(ask().await, "1", "its own one is cancelled");
    store.close().await;
}

/// It would keep the server busy for as long as it may take.
#[actix_web::test]
async fn a_question_that_nobody_waits_for_ends_with_the_program() {
    let database = with_stand_in(CANCELLED);
    let store = open(&database).await;
    store.history(&everything()).await.unwrap();
    let lock = Lock::take(&database).await;
    ask_and_leave(&store).await;
    store.close().await;
    assert_eq!(cancelled(&database), "1");
    lock.end().await;
}

/// Stands in for a history whose size takes a minute to find out.
const TAKES_A_MINUTE: &str = "\
    create function pg_total_relation_size(relation regclass) returns bigint language plpgsql as $$ begin \
        if current_setting('statement_timeout')::interval < interval '1 minute' then \
            raise exception 'it takes too long' using errcode = 'query_canceled'; \
        end if; \
        return 0; \
    end $$";

/// It was given up after ten seconds, each hour anew, so `history_max_bytes` never held.
#[actix_web::test]
async fn a_history_that_takes_a_minute_to_measure_is_kept_within_its_size() {
    let database = with_stand_in(TAKES_A_MINUTE);
    let store = open(&database).await;
    // On a connection of requests, and on one of its own.
    for _ in 0..2 {
        let searched = store.prunable(PruneRule::Larger { than: 0 }).await.unwrap();
        assert_eq!(searched, Prunable::default());
        store.history(&everything()).await.unwrap();
    }
    store.close().await;
}

/// Stands in for a history whose changes take for ever to count.
const TAKES_FOR_EVER: &str = "\
    alter table transitions rename to kept; \
    create view transitions as \
        with recursive number (n) as (select 1 union all select n + 1 from number) select n from number";

#[actix_web::test]
async fn a_history_in_a_file_that_takes_a_minute_to_count_is_kept_within_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let mut other = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
    sqlx::raw_sql(TAKES_FOR_EVER).execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    let mut search = store.prunable(PruneRule::Larger { than: 0 });
    assert!((&mut search).now_or_never().is_none());
    tokio::time::pause();
    tokio::time::advance(Duration::from_mins(1)).await;
    let given_up = (&mut search).now_or_never();
    tokio::time::resume();
    drop(search);
    store.close().await;
    assert!(given_up.is_none(), "{given_up:?}");
}
