//! A store whose calls wait for each other, as on a connection that one at a time uses.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use gitops_status_server::board::{Board, BoardSettings, Start, Writer};
use gitops_status_server::clock::{Clock, ManualClock};
use gitops_status_server::domain::{
    Action, Capacity, Changes, CommitId, DriftCount, FileNames, Head, HistoryPage, HistoryQuery,
    Names, Plan, Policy, Prunable, PruneRule, RepoName, Report, ReportedTime, ReporterSchedule,
    Request, Retention, Revision, ServerName, SyncStatus, Timeline, TimelineQuery, Timestamp,
    TransitionId,
};
use gitops_status_server::logging;
use gitops_status_server::metrics::{EntrySeries, Metrics};
use gitops_status_server::store::{
    Archive, CommitError, CommitOutcome, Committed, Examination, KeyPredicate, Loaded, Replica,
    Store, StoreError, Usage,
};
use tokio::sync::Mutex;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How long what is slow takes.
const LONG: Duration = Duration::from_secs(30);
/// How long nothing takes.
const TOO_LONG: Duration = Duration::from_mins(3);

#[derive(Default)]
struct OneLine {
    line: Mutex<()>,
    last: AtomicI64,
    measurements: AtomicU32,
    searches: AtomicU32,
}

impl OneLine {
    /// Uses the line for a while.
    async fn answer(&self, takes: Duration) {
        let _lent = self.line.lock().await;
        sleep(takes).await;
    }
}

#[async_trait]
impl Store for OneLine {
    async fn load(&self) -> Result<Loaded, StoreError> {
        let (store_id, head) = ("fake".to_owned(), Head::default());
        let (entries, outages) = (Vec::new(), Vec::new());
        Ok(Loaded { store_id, head, entries, outages, restored_at: None })
    }

    async fn commit(
        &self,
        expected: Head,
        _: CommitId,
        _: &Plan,
    ) -> Result<Committed, CommitError> {
        self.answer(Duration::ZERO).await;
        let revision = Revision(self.last.fetch_add(1, Ordering::Relaxed) + 1);
        assert_eq!(revision, expected.revision.next());
        Ok(Committed { head: revision.into(), missed: Vec::new() })
    }

    async fn outcome(&self, _: Head, _: CommitId) -> Result<CommitOutcome, StoreError> {
        Err(StoreError::Closed)
    }

    async fn changes_since(&self, _: Head) -> Result<Option<Changes>, StoreError> {
        Err(StoreError::Closed)
    }

    async fn prune(&self, _: &[TransitionId]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.answer(Duration::ZERO).await;
        Ok(())
    }

    async fn usage(&self) -> Usage {
        // The one of the start is not beside the writer.
        if self.measurements.fetch_add(1, Ordering::Relaxed) > 0 {
            self.answer(LONG).await;
        }
        Usage { database_bytes: Some(1), ..Usage::default() }
    }

    async fn examine(&self) -> Result<Box<dyn Examination>, StoreError> {
        Err(StoreError::Closed)
    }

    async fn close(&self) {
        self.answer(Duration::ZERO).await;
    }
}

#[async_trait]
impl Archive for OneLine {
    async fn history(&self, _: &HistoryQuery) -> Result<HistoryPage, StoreError> {
        Err(StoreError::Closed)
    }

    async fn timeline(
        &self,
        _: TimelineQuery,
        _: &Names,
        _: KeyPredicate<'_>,
    ) -> Result<Option<Timeline>, StoreError> {
        Err(StoreError::Closed)
    }

    async fn prunable(&self, _: PruneRule) -> Result<Prunable, StoreError> {
        self.searches.fetch_add(1, Ordering::Relaxed);
        self.answer(LONG).await;
        Ok(Prunable { found: Vec::new(), next: None })
    }
}

async fn board(store: &Arc<OneLine>, clock: &ManualClock) -> (Board, Writer) {
    let start = Start::of(&**store, Replica::default(), clock).await.unwrap();
    let settings = BoardSettings {
        policy: Policy::new(None, None),
        capacity: Capacity { entries: None, bytes: None },
        retention: Retention { age: Some(Duration::from_hours(1)), ..Retention::default() },
    };
    let series = EntrySeries { is_on: false, max_entries: None };
    let metrics = Metrics::new(series, clock.read().wall, None, logging::lines_dropped);
    let (store, clock) = (Arc::clone(store), Arc::new(clock.clone()));
    let archive = Arc::<OneLine>::clone(&store);
    let (board, writer, ..) = Board::new(start, store, archive, clock, settings, metrics.commits);
    (board, writer)
}

fn update() -> Vec<Request> {
    let report = Report {
        repo: RepoName::parse("repo").unwrap(),
        server: ServerName::parse("server").unwrap(),
        sync_status: SyncStatus::Synced,
        drift_count: DriftCount::parse(0).unwrap(),
        files: FileNames::default(),
        last_check: ReportedTime::parse("2026-04-21T10:32:15Z").unwrap(),
        schedule: ReporterSchedule::default(),
        revision: None,
        url: None,
    };
    vec![Request { action: Action::Report(report), by: None }]
}

/// Once, the writer looked at the store while a measurement had its connection, and waited for ever.
#[test]
fn slow_measurements_and_searches_of_the_store_keep_no_update_waiting_for_ever() {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let store = Arc::new(OneLine::default());
        let clock = ManualClock::at(Timestamp::from_millis(1_776_767_535_000));
        let (board, writer) = board(&store, &clock).await;
        let stop = CancellationToken::new();
        let writer = spawn_local(writer.run(stop.clone()));
        // From then on the clock is believed, and the history is searched.
        clock.advance(Duration::from_hours(1));
        for _ in 0..10 {
            let stored = timeout(TOO_LONG, board.submit(update())).await;
            assert!(stored.expect("it is answered")[0].is_ok());
            sleep(Duration::from_millis(1300)).await;
        }
        assert!(store.measurements.load(Ordering::Relaxed) > 2, "the space was measured");
        assert!(store.searches.load(Ordering::Relaxed) > 0, "the history was searched");
        stop.cancel();
        timeout(TOO_LONG, writer).await.expect("it ends").unwrap();
    });
}
