//! A link to PostgreSQL that carries nothing any more, without anybody saying so.

use std::cell::Cell;
use std::time::Duration;

use gitops_status_server::domain::{CommitId, Head, Revision};
use gitops_status_server::store::postgres::PostgresStore;
use gitops_status_server::store::{Store, StoreError};
use tokio::time::{sleep, timeout};

use super::replicas::target_at;
use crate::support::{Cluster, PostgresDatabase, Relay};

/// How long nothing takes.
const TOO_LONG: Duration = Duration::from_mins(1);
/// A commit.
const FIRST: Head = Head { revision: Revision(0), id: CommitId(0) };
const MOMENT: Duration = Duration::from_millis(10);

async fn open_by(relay: &Relay, database: &PostgresDatabase) -> PostgresStore {
    PostgresStore::open(target_at(relay.port(), database.name())).await.unwrap()
}

/// Each once waited for the one that tried, for as long as a login may take at each host.
#[actix_web::test]
async fn while_one_tries_to_reach_a_host_that_does_not_answer_the_others_are_told_at_once() {
    let database = PostgresDatabase::create();
    let relay = Relay::to(Cluster::shared().port());
    let store = open_by(&relay, &database).await;
    relay.cut();
    while relay.refused() == 0 {
        store.changes_since(FIRST).await.unwrap_err();
    }
    relay.stall();
    relay.mend();
    let (made, ended) = (relay.made(), Cell::new(0));
    let tries = async {
        loop {
            store.changes_since(FIRST).await.unwrap_err();
            ended.set(ended.get() + 1);
            sleep(MOMENT).await;
        }
    };
    let others = async {
        while relay.made() == made {
            sleep(MOMENT).await;
        }
        let before = ended.get();
        store.load().await.unwrap_err();
        store.changes_since(FIRST).await.unwrap_err();
        assert_eq!(ended.get(), before, "they have waited for the one that tries");
    };
    tokio::select! {
        _ = tries => {}
        () = others => {}
    }
}

/// Once, the replica stored nothing for ten minutes, though everything was back.
#[actix_web::test]
async fn a_load_that_stops_in_the_middle_is_given_up_and_the_next_one_succeeds() {
    let database = PostgresDatabase::create();
    let relay = Relay::to(Cluster::shared().port());
    let store = open_by(&relay, &database).await;
    let insert = "insert into entries (repo, server, sync_status, drift_count, files, last_check, \
             updated_at, status_since, stale_recorded) \
         select 'r', 's' || n, 'SYNCED', 0, '[]', '2026-04-21T10:32:15Z', 0, 0, 0 \
         from generate_series(1, 20000) n";
    Cluster::shared().run(database.name(), insert);
    relay.stall_after(256 * 1024);
    let loaded = timeout(TOO_LONG, store.load()).await.expect("it is given up");
    assert!(matches!(loaded, Err(StoreError::Silent(_))), "{loaded:?}");
    relay.go_on();
    assert_eq!(store.load().await.unwrap().entries.len(), 20_000);
}
