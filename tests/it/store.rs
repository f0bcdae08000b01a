//! The conformance suite of stores. A new backend is a line in `backends!`.

mod opening;
mod pages;
mod past;
mod questions;
mod replicas;
mod silence;
mod storm;
mod trimming;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gitops_status_server::domain::{
    Action, Actor, Capacity, CommitId, DriftCount, Entry, FileName, Filter, GitRevision, Head,
    HistoryQuery, KeyRef, Now, Plan, Policy, RepoName, Report, ReportedTime, ReporterSchedule,
    Request, Revision, RunUrl, ServerName, Snapshot, SyncStatus, TimeRange, Timestamp,
};
use gitops_status_server::store::sqlite::SqliteStore;
use gitops_status_server::store::{Archive, CommitError, CommitOutcome, Store, StoreError};

use crate::support::PostgresDatabase;
use past::{
    a_timeline_agrees_with_the_whole_history, a_timeline_has_only_entries_that_pass_the_filter,
    a_timeline_of_names_is_as_fine_of_many_transitions_as_of_few, old_transitions_are_pruned,
    pages_of_any_size_and_filter_are_parts_of_the_whole,
};

const POLICY: Policy = Policy::new(None, None);
const ID: CommitId = CommitId(7);
const REPO: &str = "r\"'\\;--😀";

fn report(server: &str, files: &[&str]) -> Report {
    Report {
        repo: RepoName::parse(REPO).unwrap(),
        server: ServerName::parse(server).unwrap(),
        sync_status: SyncStatus::OutOfSync,
        drift_count: DriftCount::parse(2_147_483_647).unwrap(),
        files: files.iter().map(|name| FileName::parse(name).unwrap()).collect(),
        last_check: ReportedTime::parse("0001-01-01T00:00:00.000000001Z").unwrap(),
        schedule: ReporterSchedule { stale_after_seconds: Some(0), ttl_seconds: Some(315_360_000) },
        revision: Some(GitRevision::parse("abc").unwrap()),
        url: Some(RunUrl::parse("https://ci/1").unwrap()),
    }
}

fn now(at: i64) -> Now {
    Now { at: Timestamp::from_millis(at), steady_for: Duration::from_hours(1) }
}

/// All that a backend has to provide.
trait Backend: Store + Archive {}

impl<T: Store + Archive> Backend for T {}

/// A store and the snapshot that it should hold.
struct Pair {
    store: Arc<dyn Backend>,
    snapshot: Snapshot,
}

impl Pair {
    async fn new(store: Arc<dyn Backend>) -> Self {
        let head = head(&*store).await;
        Self { store, snapshot: Snapshot::load(POLICY, head, Vec::new(), now(0)) }
    }

    /// Commits what `fill` puts into a batch, and lets the snapshot accept it.
    async fn commit(&mut self, fill: impl FnOnce(&mut Plan, &Snapshot)) {
        let mut plan = Plan::default();
        fill(&mut plan, &self.snapshot);
        let committed = self.store.commit(self.snapshot.head(), ID, &plan).await.unwrap();
        self.snapshot.accept(&plan, committed.head);
    }

    async fn update(&mut self, reports: impl IntoIterator<Item = Report>, at: i64) {
        self.commit(|plan, snapshot| {
            for report in reports {
                plan.apply(snapshot, report, now(at));
            }
        })
        .await;
    }

    /// Asserts that the store and the snapshot have equal entries, field by field.
    async fn expect_the_same(&self) {
        let loaded = self.store.load().await.unwrap();
        assert_eq!(loaded.head, self.snapshot.head());
        assert_eq!(loaded.entries, entries(&self.snapshot));
    }
}

async fn head(store: &dyn Backend) -> Head {
    store.load().await.unwrap().head
}

fn entries(snapshot: &Snapshot) -> Vec<Arc<Entry>> {
    let standings = snapshot.segments().iter().flat_map(|segment| segment.standings());
    standings.map(|standing| Arc::clone(standing.entry())).collect()
}

fn remove(plan: &mut Plan, snapshot: &Snapshot, server: &str) {
    plan.remove(snapshot, KeyRef { repo: REPO, server }, now(1)).unwrap();
}

/// A batch with the first report of one server.
fn first(server: &str) -> Plan {
    let mut plan = Plan::default();
    let snapshot = Snapshot::load(POLICY, Head::default(), Vec::new(), now(0));
    plan.apply(&snapshot, report(server, &[]), now(1));
    plan
}

async fn a_committed_entry_is_loaded_field_by_field(store: Arc<dyn Backend>) {
    let mut pair = Pair::new(store).await;
    pair.update([report("full", &["a", "\u{202e}b", " "])], 1_776_767_535_007).await;
    pair.expect_the_same().await;
    pair.commit(|plan, snapshot| {
        for standing in snapshot.segments().iter().flat_map(|segment| segment.standings()) {
            plan.settle(snapshot, standing);
        }
    })
    .await;
    assert!(entries(&pair.snapshot)[0].recorded.stale);
    pair.expect_the_same().await;
}

async fn a_commit_at_another_revision_applies_nothing(store: Arc<dyn Backend>) {
    let mut pair = Pair::new(Arc::clone(&store)).await;
    pair.update([report("a", &[])], 1).await;
    for wrong in [Revision(0), Revision(2)] {
        let outcome = store.commit(wrong.into(), ID, &first("b")).await;
        assert!(matches!(outcome, Err(CommitError::Diverged)), "{outcome:?}");
    }
    pair.expect_the_same().await;
    pair.update([report("c", &[])], 1).await;
    pair.expect_the_same().await;
}

async fn changes_since_returns_new_and_removed_entries(store: Arc<dyn Backend>) {
    let mut pair = Pair::new(Arc::clone(&store)).await;
    let mut snapshots = vec![pair.snapshot.clone()];
    pair.update([report("a", &[]), report("b", &[])], 1).await;
    snapshots.push(pair.snapshot.clone());
    pair.commit(|plan, snapshot| {
        remove(plan, snapshot, "a");
        plan.apply(snapshot, report("c", &[]), now(1));
    })
    .await;
    snapshots.push(pair.snapshot.clone());
    pair.commit(|plan, snapshot| {
        remove(plan, snapshot, "c");
        plan.apply(snapshot, report("c", &[]), now(2));
    })
    .await;
    snapshots.push(pair.snapshot.clone());
    pair.update([report("b", &[])], 3).await;
    snapshots.push(pair.snapshot.clone());
    for mut old in snapshots {
        let changes = store.changes_since(old.head()).await.unwrap().unwrap();
        old.adopt(changes, now(0));
        assert_eq!(old.head(), pair.snapshot.head());
        assert_eq!(entries(&old), entries(&pair.snapshot));
    }
    let long_ago = store.changes_since(Revision(-20_000).into()).await.unwrap();
    assert!(long_ago.is_none(), "too long ago to tell");
}

async fn the_latest_times_win_whether_logged_or_folded(store: Arc<dyn Backend>) {
    let mut pair = Pair::new(store).await;
    let seen = |server: &str| report(server, &[]);
    pair.update([seen("a"), seen("b"), seen("c"), seen("d")], 1).await;
    // Only times change; then more; then only times again, also within one batch.
    pair.update([seen("a"), seen("b"), seen("c"), seen("d")], 2).await;
    pair.expect_the_same().await;
    pair.update([report("b", &["x"])], 3).await;
    pair.commit(|plan, snapshot| {
        remove(plan, snapshot, "c");
        plan.apply(snapshot, report("d", &["y"]), now(4));
        plan.apply(snapshot, report("d", &["y"]), now(5));
    })
    .await;
    pair.expect_the_same().await;
    pair.update([seen("c"), report("b", &["x"])], 6).await;
    pair.expect_the_same().await;
    pair.update([seen("a"), seen("c")], 7).await;
    pair.expect_the_same().await;
}

/// Enough updates of times only that a store with a sightings log has to fold it more than once, while
/// entries change in every way.
async fn many_updates_of_times_only_lose_nothing(store: Arc<dyn Backend>) {
    let mut pair = Pair::new(Arc::clone(&store)).await;
    let server = |number: usize| format!("s{:04}", number % 2000);
    pair.update((0..2000).map(|number| report(&server(number), &[])), 0).await;
    for (round, at) in (0..160).zip(1_i64..) {
        let numbers = (0..1000).map(|step| round * 700 + step * 3);
        pair.update(numbers.map(|number| report(&server(number), &[])), at).await;
        pair.commit(|plan, snapshot| {
            plan.apply(snapshot, report(&server(round * 31), &[&format!("f{round}")]), now(at));
            remove(plan, snapshot, &server(round * 17));
        })
        .await;
        if round % 40 == 39 {
            pair.expect_the_same().await;
        }
    }
    pair.expect_the_same().await;
}

/// Enough entries that one fold takes many commits, between which entries change.
async fn changes_during_a_fold_are_not_lost(store: Arc<dyn Backend>) {
    const ENTRIES: usize = 11_000;
    let mut pair = Pair::new(store).await;
    let server = |number: usize| format!("s{:05}", number % ENTRIES);
    let seen = |from: usize, count: usize| {
        (from..from + count).map(move |number| report(&server(number), &[]))
    };
    let rarely_seen = || (0..1000).map(|number| report(&format!("rarely-{number}"), &[]));
    for at in 0..7 {
        pair.update(seen(0, ENTRIES).chain(rarely_seen()), at).await;
    }
    pair.update(rarely_seen(), 9).await;
    for (round, at) in (0..80).zip(10_i64..) {
        pair.update(seen(round * 7919, 450), at).await;
        pair.commit(|plan, snapshot| {
            plan.apply(snapshot, report(&server(round * 523), &[&format!("f{round}")]), now(at));
            remove(plan, snapshot, &server(round * 1201 + 1));
        })
        .await;
        pair.update([report(&server(round * 1201 + 1), &[])], at).await;
        if round % 20 == 19 {
            pair.expect_the_same().await;
        }
    }
    pair.expect_the_same().await;
}

async fn an_empty_batch_has_a_revision_of_its_own(store: Arc<dyn Backend>) {
    let empty = head(&*store).await;
    let committed = store.commit(empty, ID, &Plan::default()).await.unwrap();
    assert_eq!(committed.head.revision, empty.revision.next());
    assert_eq!(head(&*store).await, committed.head);
}

async fn large_batches_and_large_rows_are_stored_in_full(store: Arc<dyn Backend>) {
    let names: Vec<String> =
        (0..250).map(|number| format!("{number}{}", "x".repeat(4000))).collect();
    let files: Vec<&str> = names.iter().map(String::as_str).collect();
    let many = (0..1023).map(|number| report(&format!("s{number:04}"), &[]));
    let mut pair = Pair::new(store).await;
    pair.update(many.chain([report("large", &files)]), 1).await;
    assert_eq!(pair.snapshot.listed(), 1024);
    pair.expect_the_same().await;
}

async fn who_asked_for_a_change_comes_back(store: Arc<dyn Backend>) {
    let mut pair = Pair::new(Arc::clone(&store)).await;
    let by = |name| Some(Actor::parse(name).unwrap());
    let unlimited = Capacity { entries: None, bytes: None };
    let named = [
        Request { action: Action::Report(report("a", &[])), by: by("ci \"1\"") },
        Request { action: Action::Remove(report("a", &[]).to_key()), by: by("ann") },
        Request { action: Action::Report(report("a", &[])), by: None },
    ];
    pair.commit(|plan, snapshot| *plan = Plan::of(snapshot, &named, &unlimited, now(1))).await;
    let everything = HistoryQuery {
        filter: Filter::default(),
        events: Vec::new(),
        range: TimeRange::ALL,
        after: None,
        limit: 10,
    };
    let page = store.history(&everything).await.unwrap();
    let told = page.items.iter().map(|item| item.transition.by.clone());
    assert_eq!(told.collect::<Vec<_>>(), [None, by("ann"), by("ci \"1\"")]);
}

async fn a_store_knows_whether_a_commit_was_made(store: Arc<dyn Backend>) {
    let outcome = async |since, id| store.outcome(since, id).await.unwrap();
    let empty = head(&*store).await;
    let CommitOutcome::NotMade { missed } = outcome(empty, CommitId::random()).await else {
        panic!()
    };
    let last = missed.last().map_or(empty, |last| last.head);
    let committed = store.commit(last, ID, &first("a")).await.unwrap();
    match outcome(last, ID).await {
        CommitOutcome::Made(made) => {
            assert_eq!((made.head, made.missed.len()), (committed.head, 0));
        }
        other => panic!("{other:?}"),
    }
    let of_another = outcome(Revision(-1).into(), ID).await;
    assert!(matches!(of_another, CommitOutcome::Reload), "{of_another:?}");
}

async fn a_closed_store_takes_nothing(store: Arc<dyn Backend>) {
    let committed = store.commit(head(&*store).await, ID, &Plan::default()).await.unwrap();
    store.close().await;
    let outcome = store.commit(committed.head, ID, &Plan::default()).await;
    assert!(matches!(outcome, Err(CommitError::Unknown(StoreError::Closed))), "{outcome:?}");
    assert!(store.load().await.is_err());
}

/// A store that a test runs on, and what it needs for as long.
struct Opened {
    store: Arc<dyn Backend>,
    _database: Option<PostgresDatabase>,
}

async fn sqlite(folder: &Path) -> Opened {
    let store = Arc::new(SqliteStore::open(&folder.join("store.db")).await.unwrap());
    Opened { store, _database: None }
}

async fn postgres(_: &Path) -> Opened {
    let database = PostgresDatabase::create();
    let store = Arc::new(replicas::open(&database).await);
    Opened { store, _database: Some(database) }
}

/// Runs every scenario on every backend, and those of one backend on it.
macro_rules! backends {
    ($($backend:ident with $own:tt),+ => $scenarios:tt) => {
        $(mod $backend {
            backends!(@each $backend $scenarios);
            backends!(@each $backend $own);
        })+
    };
    (@each $backend:ident { $($scenario:ident),* $(,)? }) => {
        $(#[actix_web::test]
        async fn $scenario() {
            let folder = tempfile::tempdir().unwrap();
            let opened = super::$backend(folder.path()).await;
            super::$scenario(std::sync::Arc::clone(&opened.store)).await;
        })*
    };
}

backends!(sqlite with { a_commit_at_another_revision_applies_nothing }, postgres with {} => {
    a_committed_entry_is_loaded_field_by_field,
    changes_since_returns_new_and_removed_entries,
    the_latest_times_win_whether_logged_or_folded,
    many_updates_of_times_only_lose_nothing,
    changes_during_a_fold_are_not_lost,
    an_empty_batch_has_a_revision_of_its_own,
    large_batches_and_large_rows_are_stored_in_full,
    who_asked_for_a_change_comes_back,
    a_store_knows_whether_a_commit_was_made,
    a_closed_store_takes_nothing,
    pages_of_any_size_and_filter_are_parts_of_the_whole,
    a_timeline_agrees_with_the_whole_history,
    a_timeline_of_names_is_as_fine_of_many_transitions_as_of_few,
    a_timeline_has_only_entries_that_pass_the_filter,
    old_transitions_are_pruned,
});
