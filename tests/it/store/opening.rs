//! What a PostgreSQL store does to a database that it opens, and to one that it refuses.

use gitops_status_server::store::postgres::PostgresStore;
use gitops_status_server::store::{OpenError, Store};

use super::replicas::{open, target};
use crate::support::{Cluster, PostgresDatabase};

fn run(database: &PostgresDatabase, sql: &str) {
    Cluster::shared().run(database.name(), sql);
}

async fn refusal(database: &PostgresDatabase) -> String {
    match PostgresStore::open(target(database)).await {
        Err(OpenError::Refused { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[actix_web::test]
async fn replicas_that_start_at_once_share_a_new_database() {
    let database = PostgresDatabase::create();
    let stores = tokio::join!(open(&database), open(&database), open(&database));
    let mut ids = Vec::new();
    for store in [stores.0, stores.1, stores.2] {
        ids.push(store.load().await.unwrap().store_id);
        store.close().await;
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
}

#[actix_web::test]
async fn a_database_with_tables_of_another_program_is_left_as_it_is() {
    let database = PostgresDatabase::create();
    run(&database, "create table entries (name text)");
    assert_eq!(refusal(&database).await, "it has tables of the same names");
    let tables = "select tablename::text from pg_tables where schemaname = 'public'";
    assert_eq!(database.stored(tables), ["entries"]);
}

#[actix_web::test]
async fn a_database_that_a_newer_version_uses_is_opened_unless_it_says_otherwise() {
    let database = PostgresDatabase::create();
    open(&database).await.close().await;
    run(&database, "insert into _sqlx_migrations values (9999, 'later', now(), true, '\\x00', 0)");
    open(&database).await.close().await;
    run(&database, "update meta set oldest_program = 9999");
    assert_eq!(refusal(&database).await, "it needs a newer version of this program");
}

#[actix_web::test]
async fn a_database_that_was_put_in_the_place_of_another_is_not_taken_for_it() {
    let database = PostgresDatabase::create();
    let store = open(&database).await;
    store.check().await.unwrap();
    run(&database, "update meta set store_id = 'another'");
    let checked = store.check().await;
    assert!(checked.is_err_and(|error| error.to_string().contains("replaced")));
}

/// Each restart of the server was logged as a failure to store that ended by itself.
#[actix_web::test]
async fn a_session_that_the_server_has_ended_is_no_failure_of_the_database() {
    let database = PostgresDatabase::create();
    let store = open(&database).await;
    store.check().await.unwrap();
    let end = "select pg_terminate_backend(pid, 5000) from pg_stat_activity \
         where datname = current_database() and application_name = 'tests'";
    run(&database, end);
    store.check().await.unwrap();
    store.close().await;
}

#[actix_web::test]
async fn everything_that_is_stored_is_looked_through() {
    let database = PostgresDatabase::create();
    let store = open(&database).await;
    let insert = "insert into transitions (at, repo, server, event, sync_status, drift_count, \
             files_added, files_added_count, files_removed, files_removed_count) \
         select n, 'r', 's', 'changed', 'SYNCED', 0, '[]', 0, '[]', 0 from generate_series(1, 2500) n";
    run(&database, insert);
    let look = async || {
        let (mut examination, mut pieces, mut damage) = (store.examine().await.unwrap(), 0, vec![]);
        while let Some(examined) = examination.next().await.unwrap() {
            pieces += 1;
            damage.extend(examined.damage.map(|(part, _)| part.name()));
        }
        examination.close().await;
        (pieces, damage)
    };
    assert_eq!(look().await, (5, vec![]));
    run(&database, "update transitions set event = 'unheard of' where id = 2400");
    assert_eq!(look().await, (4, vec!["history"]));
    store.close().await;
}
