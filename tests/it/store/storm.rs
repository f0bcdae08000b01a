//! Replicas that commit to the same few entries while their sessions are ended again and again.

use std::collections::BTreeMap;
use std::sync::Arc;

use gitops_status_server::domain::{
    CommitId, DriftCount, Filter, Head, HistoryQuery, Plan, Snapshot, TimeRange,
};
use gitops_status_server::store::{Archive, CommitError, CommitOutcome, Committed, Store};
use tokio::task::{spawn_blocking, spawn_local};

use super::replicas::Peer;
use super::{POLICY, entries, now, report};
use crate::support::{Cluster, PostgresDatabase};

const REPLICAS: u64 = 3;
const UPDATES: u64 = 80;
const SERVERS: u64 = 4;
/// After how many updates a replica has all sessions ended.
const CALM: u64 = 6;

/// Ends every session with a database, in the middle of whatever it does.
async fn end_sessions(database: &Arc<PostgresDatabase>) {
    let database = Arc::clone(database);
    let end = move || {
        let sql = "select pg_terminate_backend(pid) from pg_stat_activity \
             where datname = current_database() and application_name = 'tests'";
        Cluster::shared().run(database.name(), sql);
    };
    spawn_blocking(end).await.unwrap();
}

impl Peer {
    /// Plans an update, whose count no other update has.
    fn plan_of(&self, number: u64) -> Plan {
        let mut plan = Plan::default();
        // Those of one replica go round; each replica begins with another.
        let server = format!("s{}", (number + number / UPDATES) % SERVERS);
        let mut report = report(&server, &[]);
        report.drift_count = DriftCount::parse(number + 1).unwrap();
        plan.apply(&self.snapshot, report, now(1));
        plan
    }

    /// Commits an update, however often the connection is lost meanwhile.
    async fn insist(&mut self, number: u64) {
        loop {
            let (plan, id) = (self.plan_of(number), CommitId::random());
            let expected = self.snapshot.head();
            match self.store.commit(expected, id, &plan).await {
                Ok(committed) => return self.accept(committed, &plan),
                Err(CommitError::Conflict(missed)) => self.adopt(missed),
                Err(CommitError::Diverged) => self.reload().await,
                Err(CommitError::Unknown(_)) => {
                    if let Some(committed) = self.outcome(expected, id).await {
                        return self.accept(committed, &plan);
                    }
                }
                Err(error) => panic!("{error:?}"),
            }
        }
    }

    fn accept(&mut self, Committed { head, missed }: Committed, plan: &Plan) {
        self.adopt(missed);
        self.snapshot.accept(plan, head);
    }

    async fn outcome(&mut self, since: Head, id: CommitId) -> Option<Committed> {
        loop {
            match self.store.outcome(since, id).await {
                Ok(CommitOutcome::Made(committed)) => return Some(committed),
                Ok(CommitOutcome::NotMade { missed }) => {
                    self.adopt(missed);
                    return None;
                }
                Ok(CommitOutcome::Reload) => panic!("nothing was lost"),
                Err(_) => {}
            }
        }
    }

    async fn reload(&mut self) {
        loop {
            if let Ok(loaded) = self.store.load().await {
                let entries = loaded.entries;
                self.snapshot = Snapshot::load(POLICY, loaded.head, entries, now(0));
                return;
            }
        }
    }
}

#[actix_web::test]
async fn nothing_is_lost_or_doubled_while_sessions_are_ended() {
    let database = Arc::new(PostgresDatabase::create());
    let mut peers = Vec::new();
    for _ in 0..REPLICAS {
        peers.push(Peer::new(&database).await);
    }
    let mut running = Vec::new();
    for (replica, mut peer) in (0..).zip(peers) {
        let database = Arc::clone(&database);
        running.push(spawn_local(async move {
            for update in 0..UPDATES {
                if update % CALM == 2 * replica {
                    end_sessions(&database).await;
                }
                peer.insist(replica * UPDATES + update).await;
            }
            peer
        }));
    }
    let mut peers = Vec::new();
    for replica in running {
        peers.push(replica.await.unwrap());
    }
    for peer in &mut peers {
        peer.catch_up().await;
    }
    let loaded = peers[0].store.load().await.unwrap();
    for peer in &peers {
        assert_eq!(entries(&peer.snapshot), loaded.entries);
    }
    let query = HistoryQuery {
        filter: Filter::default(),
        events: Vec::new(),
        range: TimeRange::ALL,
        after: None,
        limit: 10_000,
    };
    let page = peers[0].store.history(&query).await.unwrap();
    let mut told = BTreeMap::new();
    for item in &page.items {
        *told.entry(u64::from(item.transition.drift_count.get())).or_insert(0) += 1;
    }
    let expected: BTreeMap<u64, i32> = (1..=REPLICAS * UPDATES).map(|count| (count, 1)).collect();
    assert_eq!(told, expected, "each update is told once");
    let gaps = database.stored("select (max(revision) + 1 - count(*))::text from commits");
    assert_eq!(gaps, ["0"]);
}
