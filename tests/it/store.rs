//! What every store has to do, whatever is behind it. A new backend is a line in `backends!`.

use std::path::Path;
use std::sync::Arc;

use gitops_status_server::domain::{
    Change, DriftCount, Entry, FileName, GitRevision, Policy, Promise, RepoName, Report,
    ReportedTime, Revision, RunUrl, ServerName, State, SyncStatus, Timestamp,
};
use gitops_status_server::store::sqlite::SqliteStore;
use gitops_status_server::store::{Batch, CommitError, Store, StoreError};

fn report(server: &str, files: &[&str]) -> Report {
    Report {
        repo: RepoName::parse("r\"'\\;--😀").unwrap(),
        server: ServerName::parse(server).unwrap(),
        sync_status: SyncStatus::OutOfSync,
        drift_count: DriftCount::parse(2_147_483_647).unwrap(),
        files: files.iter().map(|name| FileName::parse(name).unwrap()).collect(),
        last_check: ReportedTime::parse("0001-01-01T00:00:00.000000001Z").unwrap(),
        promise: Promise { stale_after_seconds: Some(0), ttl_seconds: Some(315_360_000) },
        revision: Some(GitRevision::parse("abc").unwrap()),
        url: Some(RunUrl::parse("https://ci/1").unwrap()),
    }
}

fn put(server: &str, files: &[&str], at: i64) -> Change {
    let (entry, transitions) = Entry::first(report(server, files), Timestamp::from_millis(at));
    Change::Put { entry: Arc::new(entry), transitions, is_news: true }
}

fn removed(server: &str) -> Change {
    let (entry, _) = Entry::first(report(server, &[]), Timestamp::from_millis(0));
    Change::Removed { entry: Arc::new(entry), transitions: Vec::new() }
}

fn batch(changes: impl IntoIterator<Item = Change>) -> Batch {
    let mut batch = Batch::default();
    changes.into_iter().for_each(|change| batch.add(change));
    batch
}

async fn servers(store: &dyn Store) -> Vec<String> {
    let loaded = store.load().await.unwrap();
    loaded.entries.iter().map(|entry| entry.report.server.to_string()).collect()
}

async fn what_is_committed_is_loaded_field_by_field(store: Arc<dyn Store>) {
    let change = put("full", &["a", "\u{202e}b", " "], 1_776_767_535_007);
    let Change::Put { entry, .. } = &change else { panic!("no entry") };
    let expected = Entry { stale_recorded: true, ..Entry::clone(entry) };
    let stale =
        Change::Put { entry: Arc::new(expected.clone()), transitions: Vec::new(), is_news: true };
    store.commit(Revision(0), &batch([change, stale])).await.unwrap();
    let loaded = store.load().await.unwrap();
    assert_eq!(loaded.revision, Revision(1));
    assert_eq!(loaded.entries.len(), 1, "one final row a key");
    assert_eq!(*loaded.entries[0], expected);
}

async fn a_commit_at_another_revision_applies_nothing(store: Arc<dyn Store>) {
    store.commit(Revision(0), &batch([put("a", &[], 1)])).await.unwrap();
    for wrong in [Revision(0), Revision(2)] {
        let outcome = store.commit(wrong, &batch([put("b", &[], 1)])).await;
        assert!(matches!(outcome, Err(CommitError::Moved)), "{outcome:?}");
    }
    assert_eq!(servers(&*store).await, ["a"]);
    store.commit(Revision(1), &batch([put("c", &[], 1)])).await.unwrap();
    assert_eq!(servers(&*store).await, ["a", "c"]);
}

async fn changes_since_tells_what_is_new_and_what_is_gone(store: Arc<dyn Store>) {
    store.commit(Revision(0), &batch([put("a", &[], 1), put("b", &[], 1)])).await.unwrap();
    store.commit(Revision(1), &batch([removed("a"), put("c", &[], 1)])).await.unwrap();
    store.commit(Revision(2), &batch([removed("c"), put("c", &[], 2)])).await.unwrap();
    let since = async |revision| {
        let changes = store.changes_since(Revision(revision)).await.unwrap().unwrap();
        assert_eq!(changes.revision, Revision(3));
        let put = changes.put.iter().map(|entry| entry.report.server.to_string());
        let gone = changes.removed.iter().map(|key| key.server.to_string());
        (put.collect::<Vec<_>>(), gone.collect::<Vec<_>>())
    };
    assert_eq!(since(3).await, (vec![], vec![]));
    assert_eq!(since(2).await, (vec!["c".to_owned()], vec![]));
    assert_eq!(since(1).await, (vec!["c".to_owned()], vec!["a".to_owned()]));
    assert_eq!(since(0).await.0, ["b", "c"]);
    let long_ago = store.changes_since(Revision(-20_000)).await.unwrap();
    assert!(long_ago.is_none(), "too long ago to tell");
}

async fn an_empty_batch_is_a_revision_of_its_own(store: Arc<dyn Store>) {
    store.commit(Revision(0), &Batch::default()).await.unwrap();
    assert_eq!(store.load().await.unwrap().revision, Revision(1));
}

async fn large_batches_and_large_rows_are_whole(store: Arc<dyn Store>) {
    let names: Vec<String> =
        (0..250).map(|number| format!("{number}{}", "x".repeat(4000))).collect();
    let files: Vec<&str> = names.iter().map(String::as_str).collect();
    let many = (0..1023).map(|number| put(&format!("s{number:04}"), &[], 1));
    store.commit(Revision(0), &batch(many.chain([put("large", &files, 1)]))).await.unwrap();
    let loaded = store.load().await.unwrap();
    assert_eq!(loaded.entries.len(), 1024);
    assert_eq!(loaded.entries[0].report.files.len(), 250);
    let policy = Policy { stale_after: None, ttl: None };
    let now = gitops_status_server::domain::Now {
        at: Timestamp::from_millis(1),
        steady_for: std::time::Duration::ZERO,
    };
    let state = State::load(policy, loaded.revision, loaded.entries, now);
    assert_eq!(state.listed(), 1024);
}

async fn a_closed_store_takes_nothing(store: Arc<dyn Store>) {
    store.commit(Revision(0), &Batch::default()).await.unwrap();
    store.close().await;
    let outcome = store.commit(Revision(1), &Batch::default()).await;
    assert!(matches!(outcome, Err(CommitError::Unknown(StoreError::Closed))), "{outcome:?}");
    assert!(store.load().await.is_err());
}

async fn sqlite(folder: &Path) -> Arc<dyn Store> {
    Arc::new(SqliteStore::open(&folder.join("store.db")).await.unwrap())
}

/// Runs every scenario on every backend.
macro_rules! backends {
    ($($backend:ident),+ => $scenarios:tt) => {
        $(mod $backend { backends!(@each $backend $scenarios); })+
    };
    (@each $backend:ident { $($scenario:ident),+ $(,)? }) => {
        $(#[actix_web::test]
        async fn $scenario() {
            let folder = tempfile::tempdir().unwrap();
            super::$scenario(super::$backend(folder.path()).await).await;
        })+
    };
}

backends!(sqlite => {
    what_is_committed_is_loaded_field_by_field,
    a_commit_at_another_revision_applies_nothing,
    changes_since_tells_what_is_new_and_what_is_gone,
    an_empty_batch_is_a_revision_of_its_own,
    large_batches_and_large_rows_are_whole,
    a_closed_store_takes_nothing,
});
