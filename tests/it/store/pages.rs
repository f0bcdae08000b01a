//! Updates of entries that stay in their pages, so that they touch no index.

use gitops_status_server::store::Store;
use gitops_status_server::store::postgres::PostgresStore;

use super::replicas::{Peer, target_at};
use crate::support::{Cluster, ROLE, wait_until};

const DATABASE: &str = "status";

async fn peer(cluster: &Cluster) -> Peer {
    Peer::of(PostgresStore::open(target_at(cluster.port(), DATABASE)).await.unwrap()).await
}

/// Returns how many updates of entries there were, once all are counted, and how many left their page.
fn updates(cluster: &Cluster, least: u64) -> (u64, u64) {
    let sql = "select n_tup_upd || ' ' || n_tup_upd - n_tup_hot_upd from pg_stat_user_tables \
         where relname = 'entries'";
    let mut counts = (0, 0);
    // The session reports its numbers when it ends, if not before.
    wait_until("the updates were counted", || {
        let row = cluster.stored(DATABASE, sql).remove(0);
        let (all, moved) = row.split_once(' ').unwrap();
        counts = (all.parse().unwrap(), moved.parse().unwrap());
        counts.0 >= least
    });
    counts
}

/// At first all pages are full but for the room that is left in each, and a commit that updates whole
/// pages moves entries to new ones. From then on there is room for two versions of each.
#[actix_web::test]
async fn updates_of_times_stay_in_their_pages() {
    // Autovacuum would hold old versions back at chance moments, whichever table it works on.
    let cluster = Cluster::start("autovacuum = off\n");
    cluster.run("postgres", &format!("create database {DATABASE} owner {ROLE}"));
    let mut first = peer(&cluster).await;
    let names: Vec<String> = (0..2000).map(|number| format!("s{number:04}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for part in names.chunks(500) {
        first.report(part, 0).await;
    }
    for at in 1..=5 {
        for part in names.chunks(100) {
            first.report(part, at).await;
        }
    }
    first.store.close().await;
    let (all, moved_at_first) = updates(&cluster, 5 * 2000);
    assert!(moved_at_first < 2 * 2000, "{moved_at_first} of {all} updates left their page");
    let mut other = peer(&cluster).await;
    for at in 6..=25 {
        for part in names.chunks(100) {
            other.report(part, at).await;
        }
    }
    other.store.close().await;
    let (all, moved) = updates(&cluster, 25 * 2000);
    let moved = moved - moved_at_first;
    assert!(moved < 20 * 2000 / 100, "{moved} of {all} updates left their page later");
}
