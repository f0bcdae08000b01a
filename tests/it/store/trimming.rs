//! The log of commits is kept short, and nobody waits for that.

use gitops_status_server::store::Store;
use sqlx::{Connection, PgConnection};
use tokio::task::spawn_blocking;

use super::replicas::{Peer, open};
use crate::support::{Cluster, PostgresDatabase};

/// Makes commits of an hour ago.
fn commit(database: &PostgresDatabase, count: u32) {
    let insert = format!(
        "insert into commits (revision, token, format, keys, grown_entries, grown_bytes, at) \
         select n, gen_random_uuid(), 1, '{{}}', 0, 0, now() - interval '1 hour' \
         from generate_series(1, {count}) n"
    );
    Cluster::shared().run(database.name(), &insert);
}

const LEFT: &str = "select count(*)::text from commits";

/// Above a thousand commits a second, the log once grew for ever.
#[actix_web::test]
async fn the_log_is_trimmed_until_nothing_more_can_go() {
    let database = PostgresDatabase::create();
    let store = open(&database).await;
    commit(&database, 45_000);
    let mut trims = 1;
    while store.trim().await.unwrap() {
        trims += 1;
    }
    assert_eq!((trims, database.stored(LEFT)), (3, vec!["20000".to_owned()]));
    assert!(!store.trim().await.unwrap());
    assert_eq!(database.stored(LEFT), ["20000"]);
    store.close().await;
}

/// Reports with long lists of files once filled the disk: 100,000 of them were kept.
#[actix_web::test]
async fn the_log_is_trimmed_by_its_size_too() {
    let database = PostgresDatabase::create();
    let store = open(&database).await;
    commit(&database, 1000);
    let written = "update commits set written = revision * 1048576";
    Cluster::shared().run(database.name(), written);
    assert!(!store.trim().await.unwrap());
    assert_eq!(database.stored(LEFT), ["64"]);
    store.close().await;
}

/// Beside a long dump, updates and following once stopped for five of each ten seconds.
#[actix_web::test]
async fn replicas_follow_and_commit_while_the_log_cannot_be_trimmed() {
    let database = PostgresDatabase::create();
    open(&database).await.close().await;
    commit(&database, 20_010);
    let mut peer = Peer::new(&database).await;
    let mut other = PgConnection::connect(&database.url()).await.unwrap();
    let lock = "begin; select from commits where revision < 5 for update";
    sqlx::raw_sql(lock).execute(&mut other).await.unwrap();
    let trimming = open(&database).await;
    let name = database.name().to_owned();
    let goes_on = async {
        let waits = format!(
            "select count(*)::text from pg_stat_activity \
             where datname = '{name}' and wait_event_type = 'Lock'"
        );
        let is_held = move || Cluster::shared().stored("postgres", &waits) == ["1"];
        while !spawn_blocking(is_held.clone()).await.unwrap() {}
        trimming.changes_since(peer.snapshot.head()).await.unwrap().unwrap();
        trimming.check().await.unwrap();
        peer.report(&["a"], 1).await;
    };
    tokio::select! {
        trimmed = trimming.trim() => panic!("nothing holds it up: {trimmed:?}"),
        () = goes_on => {}
    }
    sqlx::raw_sql("rollback").execute(&mut other).await.unwrap();
    assert!(!trimming.trim().await.unwrap());
    assert_eq!(database.stored(LEFT), ["20000"]);
}
