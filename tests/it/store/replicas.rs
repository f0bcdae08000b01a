//! What several stores in one PostgreSQL database owe each other.

use std::time::Duration;

use gitops_status_server::domain::{
    Action, Capacity, Changes, CommitId, Full, Head, KeyRef, Outage, Plan, Refused, Request,
    Revision, Snapshot, Timestamp,
};
use gitops_status_server::store::postgres::{Host, Login, LoginFiles, PostgresStore, Target, Tls};
use gitops_status_server::store::{
    CommitError, CommitOutcome, Committed, Meeting, Presence, Replica, Store,
};

use super::{POLICY, REPO, entries, now, report};
use crate::support::{Cluster, PASSWORD, PostgresDatabase, ROLE};

/// Returns where a database is, and how the tests log in there.
pub(super) fn target(database: &PostgresDatabase) -> Target {
    target_at(Cluster::shared().port(), database.name())
}

/// Returns where a database is that is reached by another port.
pub(super) fn target_at(port: u16, database: &str) -> Target {
    let login = Login {
        hosts: vec![Host::Tcp("127.0.0.1".to_owned(), port)],
        tls: Tls::IfOffered,
        user: ROLE.to_owned(),
        database: database.to_owned(),
        application_name: "tests".to_owned(),
        connect_timeout: Duration::from_secs(10),
    };
    let files =
        |_: &Host| Ok(LoginFiles { password: Some(PASSWORD.to_owned()), ..LoginFiles::default() });
    Target::new(login, files)
}

pub(super) async fn open(database: &PostgresDatabase) -> PostgresStore {
    PostgresStore::open(target(database)).await.unwrap()
}

/// A store and what it has told so far.
pub(super) struct Peer {
    pub(super) store: PostgresStore,
    pub(super) snapshot: Snapshot,
}

impl Peer {
    pub(super) async fn new(database: &PostgresDatabase) -> Self {
        Self::of(open(database).await).await
    }

    pub(super) async fn of(store: PostgresStore) -> Self {
        let loaded = store.load().await.unwrap();
        let snapshot = Snapshot::load(POLICY, loaded.head, loaded.entries, now(0));
        Self { store, snapshot }
    }

    fn plan(&self, servers: &[&str], files: &[&str], at: i64) -> Plan {
        let mut plan = Plan::default();
        for server in servers {
            plan.apply(&self.snapshot, report(server, files), now(at));
        }
        plan
    }

    async fn try_commit(&self, plan: &Plan) -> Result<Committed, CommitError> {
        self.store.commit(self.snapshot.head(), CommitId::random(), plan).await
    }

    /// Commits a plan, and takes over what was missed and the plan. Returns how much was missed.
    async fn commit(&mut self, plan: &Plan) -> usize {
        let Committed { head, missed } = self.try_commit(plan).await.unwrap();
        let count = missed.len();
        self.adopt(missed);
        self.snapshot.accept(plan, head);
        count
    }

    pub(super) async fn report(&mut self, servers: &[&str], at: i64) -> usize {
        self.commit(&self.plan(servers, &[], at)).await
    }

    pub(super) fn adopt(&mut self, missed: Vec<Changes>) {
        for changes in missed {
            self.snapshot.adopt(changes, now(0));
        }
    }

    pub(super) async fn catch_up(&mut self) {
        let changes = self.store.changes_since(self.snapshot.head()).await.unwrap();
        self.adopt(vec![changes.unwrap()]);
    }
}

/// Asserts that a snapshot has what the database has.
async fn expect_stored(peer: &Peer) {
    let loaded = peer.store.load().await.unwrap();
    assert_eq!(loaded.head, peer.snapshot.head());
    assert_eq!(loaded.entries, entries(&peer.snapshot));
}

async fn two() -> (PostgresDatabase, Peer, Peer) {
    let database = PostgresDatabase::create();
    let (one, two) = (Peer::new(&database).await, Peer::new(&database).await);
    (database, one, two)
}

#[actix_web::test]
async fn a_commit_of_another_pair_goes_through_and_returns_what_was_missed() {
    let (_database, mut one, mut two) = two().await;
    assert_eq!(one.report(&["a", "b"], 1).await, 0);
    assert_eq!(two.report(&["c"], 2).await, 1);
    // Times only, a removal, and another entry: each kind of change is told.
    assert_eq!(one.report(&["a"], 3).await, 1);
    let mut plan = one.plan(&["d"], &["x"], 4);
    plan.remove(&one.snapshot, KeyRef { repo: REPO, server: "b" }, now(4)).unwrap();
    assert_eq!(one.commit(&plan).await, 0);
    assert_eq!(two.report(&["c"], 5).await, 2);
    expect_stored(&two).await;
    one.catch_up().await;
    expect_stored(&one).await;
    one.catch_up().await;
    expect_stored(&one).await;
}

#[actix_web::test]
async fn a_commit_of_the_same_pair_conflicts_and_writes_nothing() {
    let (_database, mut one, mut two) = two().await;
    one.report(&["a"], 1).await;
    let plan = two.plan(&["b", "a"], &[], 2);
    let Err(CommitError::Conflict(missed)) = two.try_commit(&plan).await else { panic!() };
    expect_stored(&one).await;
    two.adopt(missed);
    assert_eq!(two.report(&["b", "a"], 3).await, 0);
    expect_stored(&two).await;
}

/// By default, a transaction there sees one moment, which would be that before its turn.
#[actix_web::test]
async fn replicas_that_commit_at_once_all_get_through_whatever_the_server_isolates_by_default() {
    let database = PostgresDatabase::create();
    let serializable = "set default_transaction_isolation = 'serializable'";
    let sql = format!("alter database {} {serializable}", database.name());
    Cluster::shared().run("postgres", &sql);
    let (mut one, mut two) = (Peer::new(&database).await, Peer::new(&database).await);
    for at in 0..20 {
        tokio::join!(one.report(&["a"], at), two.report(&["b"], at));
    }
    one.catch_up().await;
    assert_eq!(one.snapshot.head().revision, Revision(40));
    expect_stored(&one).await;
}

#[actix_web::test]
async fn a_lost_answer_is_found_by_its_id() {
    let (_database, mut one, mut two) = two().await;
    one.report(&["a"], 1).await;
    let (id, plan) = (CommitId::random(), two.plan(&["b"], &[], 1));
    // The answer is not used.
    two.store.commit(two.snapshot.head(), id, &plan).await.unwrap();
    one.report(&["c"], 2).await;
    match two.store.outcome(two.snapshot.head(), id).await.unwrap() {
        CommitOutcome::Made(Committed { head, missed }) => {
            two.adopt(missed);
            assert_eq!(head, Head { revision: Revision(2), id });
            two.snapshot.accept(&plan, head);
        }
        other => panic!("{other:?}"),
    }
    two.catch_up().await;
    expect_stored(&two).await;
}

#[actix_web::test]
async fn a_commit_that_was_not_made_is_not_made_later_either() {
    let (_database, mut one, mut two) = two().await;
    one.report(&["a"], 1).await;
    let (id, plan) = (CommitId::random(), two.plan(&["b"], &[], 1));
    let before = two.snapshot.head();
    match two.store.outcome(before, id).await.unwrap() {
        CommitOutcome::NotMade { missed } => two.adopt(missed),
        other => panic!("{other:?}"),
    }
    // The statement arrives late.
    let late = two.store.commit(before, id, &plan).await;
    assert!(matches!(late, Err(CommitError::Conflict(_))), "{late:?}");
    expect_stored(&two).await;
}

#[actix_web::test]
async fn a_store_whose_history_was_replaced_diverges() {
    let (database, mut one, mut two) = two().await;
    one.report(&["a"], 1).await;
    two.report(&["b"], 1).await;
    // A standby that lacked the last commit has taken over, and has made another one.
    Cluster::shared().run(
        database.name(),
        "delete from entries where server = 'b'; delete from commits where revision = 2",
    );
    let mut other = Peer::new(&database).await;
    other.report(&["c"], 1).await;
    assert_eq!(other.snapshot.head().revision, two.snapshot.head().revision);
    let outcome = two.try_commit(&two.plan(&["d"], &[], 2)).await;
    assert!(matches!(outcome, Err(CommitError::Diverged)), "{outcome:?}");
    assert!(two.store.changes_since(two.snapshot.head()).await.unwrap().is_none());
    let outcome = two.store.outcome(two.snapshot.head(), CommitId::random()).await.unwrap();
    assert!(matches!(outcome, CommitOutcome::Reload), "{outcome:?}");
    let loaded = two.store.load().await.unwrap();
    two.snapshot = Snapshot::load(POLICY, loaded.head, loaded.entries, now(0));
    two.report(&["d"], 3).await;
    expect_stored(&two).await;
}

/// All of it was once sent while everybody else waited to commit.
#[actix_web::test]
async fn a_store_that_missed_much_reads_it_before_it_commits() {
    let (database, mut one, mut two) = two().await;
    let names: Vec<String> = (0..40).map(|name| format!("{name}{}", "x".repeat(3000))).collect();
    let files: Vec<&str> = names.iter().map(String::as_str).collect();
    for at in 0..20 {
        one.commit(&one.plan(&["a"], &files[at..], i64::try_from(at).unwrap())).await;
    }
    for at in 20..500 {
        one.report(&["a"], at).await;
    }
    let mut tries = 0;
    while let Err(outcome) = two.try_commit(&two.plan(&["b"], &[], 1)).await {
        let CommitError::Conflict(missed) = outcome else { panic!("{outcome:?}") };
        let commits: usize =
            database.stored("select count(*)::text from commits")[0].parse().unwrap();
        assert_eq!(commits, 501, "nothing is committed before everything is known");
        two.adopt(missed);
        tries += 1;
    }
    assert!((2..=5).contains(&tries), "{tries} pieces of a megabyte");
    two.catch_up().await;
    expect_stored(&two).await;
}

#[actix_web::test]
async fn a_lost_answer_is_found_among_much_that_others_have_committed() {
    let (_database, mut one, mut two) = two().await;
    let (before, id, plan) = (two.snapshot.head(), CommitId::random(), two.plan(&["b"], &[], 1));
    for at in 0..300 {
        one.report(&["a"], at).await;
    }
    two.store.commit(one.snapshot.head(), id, &plan).await.unwrap();
    for at in 300..600 {
        one.report(&["a"], at).await;
    }
    let outcome = two.store.outcome(before, id).await.unwrap();
    let CommitOutcome::Made(Committed { head, missed }) = outcome else { panic!("{outcome:?}") };
    assert_eq!((head, missed.len()), (Head { revision: Revision(301), id }, 300));
    two.adopt(missed);
    two.snapshot.accept(&plan, head);
    while two.snapshot.head() != one.snapshot.head() {
        two.catch_up().await;
        one.catch_up().await;
    }
    expect_stored(&two).await;
}

#[actix_web::test]
async fn rows_that_somebody_else_deleted_are_noticed() {
    let (database, mut one, _) = two().await;
    one.report(&["a"], 1).await;
    Cluster::shared().run(database.name(), "delete from entries");
    let outcome = one.try_commit(&one.plan(&["a"], &[], 2)).await;
    assert!(matches!(outcome, Err(CommitError::Diverged)), "{outcome:?}");
}

#[actix_web::test]
async fn two_replicas_keep_the_limit_on_entries_exactly() {
    let (_database, mut one, mut two) = two().await;
    let capacity = Capacity { entries: Some(3), bytes: None };
    let full = |of: &Peer, servers: &[&str]| {
        let request =
            |server: &&str| Request { action: Action::Report(report(server, &[])), by: None };
        let requests: Vec<Request> = servers.iter().map(request).collect();
        Plan::of(&of.snapshot, &requests, &capacity, now(1))
    };
    one.commit(&full(&one, &["a", "b"])).await;
    let plan = full(&two, &["c", "d"]);
    let Err(CommitError::Conflict(missed)) = two.try_commit(&plan).await else { panic!() };
    two.adopt(missed);
    let plan = full(&two, &["c", "d"]);
    assert_eq!(plan.outcomes().get(1), Some(&Err(Refused::Full(Full::Entries))));
    two.commit(&plan).await;
    assert_eq!(two.snapshot.kept(), 3);
    // What adds no entry needs no room.
    one.report(&["a"], 2).await;
    expect_stored(&one).await;
}

fn named(name: &str) -> Replica {
    Replica { name: name.to_owned(), version: "1".to_owned(), settings: "abc".to_owned() }
}

/// Meets the others as a replica of this name that has run for so many seconds.
async fn meet(peer: &Peer, name: &str, ran_for: u64, may_lead: bool) -> Meeting {
    let (replica, ran_for) = (&named(name), Some(Duration::from_secs(ran_for)));
    let met = peer.store.meet(Presence { replica, ran_for, may_lead }).await;
    met.unwrap().unwrap()
}

#[actix_web::test]
async fn replicas_meet_and_one_of_them_leads() {
    let (_database, one, two) = two().await;
    let first = meet(&one, "one", 0, true).await;
    assert!(first.leads && first.others.is_empty());
    let second = meet(&two, "two", 0, true).await;
    assert!(!second.leads);
    assert_eq!(second.others.len(), 1);
    assert_eq!(second.others[0].0, named("one"));
    assert!(second.others[0].1 <= second.at);
    one.store.close().await;
    let third = meet(&two, "two", 0, true).await;
    assert!(third.leads && third.others.is_empty(), "the other one has ended");
}

#[actix_web::test]
async fn one_that_may_not_lead_gives_the_lead_up_at_once() {
    let (_database, one, two) = two().await;
    assert!(meet(&one, "one", 0, true).await.leads);
    assert!(!meet(&one, "one", 1, false).await.leads);
    assert!(meet(&two, "two", 0, true).await.leads);
    assert!(!meet(&one, "one", 2, false).await.leads, "it takes it from nobody");
    assert!(meet(&two, "two", 1, true).await.leads);
}

#[actix_web::test]
async fn replicas_tell_since_when_one_of_them_has_run() {
    let (database, one, two) = two().await;
    let ran_for = |meeting: &Meeting| (meeting.at.millis() - meeting.ran_since.millis()) / 1000;
    let alone = meet(&two, "two", 100, true).await;
    assert!((100..110).contains(&ran_for(&alone)), "{alone:?}");
    let oldest = meet(&one, "one", 1000, true).await;
    assert!((1000..1010).contains(&ran_for(&oldest)), "{oldest:?}");
    let other = meet(&two, "two", 101, true).await;
    assert!((1000..1010).contains(&ran_for(&other)), "{other:?}");
    let silent = "update replicas set seen_at = seen_at - interval '6 seconds' where name = 'one'";
    Cluster::shared().run(database.name(), silent);
    let alone = meet(&two, "two", 102, true).await;
    assert!((102..112).contains(&ran_for(&alone)), "it may have been killed: {alone:?}");
}

#[actix_web::test]
async fn outages_that_others_have_noted_stay() {
    let (_database, one, two) = two().await;
    let outage =
        |from, to| Outage { from: Timestamp::from_millis(from), to: Timestamp::from_millis(to) };
    one.store.note_outages(&[outage(1, 2)], &[]).await.unwrap();
    two.store.note_outages(&[outage(5, 6)], &[]).await.unwrap();
    one.store.note_outages(&[outage(1, 3), outage(7, 8)], &[outage(1, 2)]).await.unwrap();
    two.store.note_outages(&[], &[outage(5, 6)]).await.unwrap();
    let expected = [outage(1, 3), outage(7, 8)];
    assert_eq!(two.store.load().await.unwrap().outages, expected);
}
