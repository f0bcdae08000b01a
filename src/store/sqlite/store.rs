//! The store itself: its state and the calls of [`Store`].

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::aside;
use super::check::Check;
use super::file::{DatabaseFile, Lock};
use super::prune::SqliteOldRecords;
use super::readers::Readers;
use super::records::SqliteRecords;
use super::stored_entries::{Everything, put_restored_at, read_all, read_changes};
use super::upkeep::Sizes;
use super::writing::{WriteConnection, Writing};
use super::{outages, pairs, sql};
use crate::domain::{
    Changes, CommitId, Head, HistoryPage, HistoryQuery, Names, Outage, Plan, Prunable, PruneRule,
    Timeline, TimelineQuery, Timestamp, TransitionId,
};
use crate::store::archive::{FOR_A_REQUEST, FOR_A_SEARCH};
use crate::store::history::{find_prunable, read_page, read_timeline};
use crate::store::{
    Archive, BackupError, BackupPlace, CommitError, CommitOutcome, Committed, Copied, Examination,
    KeptBackup, KeyPredicate, Loaded, Store, StoreError, Usage,
};

/// A store in a SQLite file, which no other server has open.
#[derive(Debug)]
pub struct SqliteStore {
    pub(super) file: Arc<DatabaseFile>,
    /// Identifies the database that was opened.
    pub(super) store_id: String,
    pub(super) writing: Mutex<Writing>,
    /// The last revision that a commit confirmed, or that was found in the file.
    pub(super) confirmed: AtomicI64,
    /// About how many entries there are. Commits of unknown outcome are not counted.
    pub(super) entries: AtomicUsize,
    /// What the inspection of the file has read, until the first load.
    pub(super) preloaded: Mutex<Option<Loaded>>,
    pub(super) readers: Readers,
    pub(super) lost_commits: u64,
    pub(super) sizes: Sizes,
    /// Held while a copy is made.
    pub(super) copying: Mutex<()>,
    /// Held until `close`: questions about the history may keep the store alive for longer.
    pub(super) lock: Mutex<Option<Lock>>,
}

impl SqliteStore {
    /// Keeps the log from being taken for that of another file that lies at the path now.
    async fn set_log_aside(&self) {
        let path = self.file.path().display();
        match self.file.ask(DatabaseFile::set_log_aside).await {
            Ok(None) => {}
            Ok(Some(aside)) => log::warn!(
                "{path} was replaced by another file while it was open. The write-ahead log of the \
                 replaced file is {} now. If that file is put back, move this log back with it, to \
                 {path}-wal: it may hold updates that were answered with 200",
                aside.display()
            ),
            Err(error) => log::error!(
                "{path} was replaced by another file while it was open, and the write-ahead log of the \
                 replaced file could not be moved away. Move {path}-wal away before the next start, which \
                 would take it for the log of the new file: {error}"
            ),
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn load(&self) -> Result<Loaded, StoreError> {
        let mut writing = self.writing.lock().await;
        if let Some(loaded) = self.preloaded.lock().await.take() {
            return Ok(loaded);
        }
        let mut connection = self.take(&mut writing).await?;
        let outcome = read_all(&mut connection).await;
        let Everything { loaded, unfolded: _ } =
            self.give_back(&mut writing, connection, outcome).await?;
        self.confirmed.store(loaded.head.revision.0, Ordering::Relaxed);
        Ok(loaded)
    }

    async fn commit(
        &self,
        expected: Head,
        _: CommitId,
        plan: &Plan,
    ) -> Result<Committed, CommitError> {
        self.commit_plan(expected, plan).await
    }

    async fn outcome(&self, since: Head, _: CommitId) -> Result<CommitOutcome, StoreError> {
        self.outcome_since(since).await
    }

    async fn changes_since(&self, since: Head) -> Result<Option<Changes>, StoreError> {
        let mut writing = self.writing.lock().await;
        let mut connection = self.take(&mut writing).await?;
        let outcome = read_changes(&mut connection, since.revision).await;
        self.give_back(&mut writing, connection, outcome).await
    }

    async fn note_outages(&self, outages: &[Outage], _: &[Outage]) -> Result<(), StoreError> {
        let mut writing = self.writing.lock().await;
        let mut connection = self.take(&mut writing).await?;
        let done = outages::write(&mut connection, outages).await;
        self.give_back(&mut writing, connection, done).await
    }

    async fn note_restore(
        &self,
        at: Timestamp,
        in_place_of: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let mut writing = self.writing.lock().await;
        let mut connection = self.take(&mut writing).await?;
        let noted = put_restored_at(&mut connection, at, in_place_of).await;
        self.give_back(&mut writing, connection, noted).await
    }

    async fn prune(&self, transitions: &[TransitionId]) -> Result<(), StoreError> {
        let mut writing = self.writing.lock().await;
        let mut connection = self.take(&mut writing).await?;
        let ids = pairs::json(&transitions)?;
        let done = sqlx::query(sql::PRUNE).bind(ids).execute(&mut connection).await;
        let done = done.map(|_| ()).map_err(StoreError::from);
        self.give_back(&mut writing, connection, done).await
    }

    async fn tend(&self, has_time: bool) -> Result<(), StoreError> {
        let mut writing = self.writing.lock().await;
        let mut connection = self.take(&mut writing).await?;
        let mut done = self.relieve_log(&mut connection).await;
        if done.is_ok() && has_time {
            done = self.give_pages_back(&mut connection).await;
        }
        self.give_back(&mut writing, connection, done).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        // A connection that is in use may be in the hands of a commit, which takes its time.
        if let Ok(mut writing) = self.writing.try_lock()
            && matches!(writing.connection, WriteConnection::Broken { .. })
        {
            let connection = self.take(&mut writing).await?;
            return self.give_back(&mut writing, connection, Ok(())).await;
        }
        self.file.ask(DatabaseFile::check).await
    }

    async fn usage(&self) -> Usage {
        Usage {
            reusable_bytes: Some(self.sizes.reusable_bytes()),
            log_is_pinned: Some(self.sizes.log_is_pinned()),
            ..self.file.ask(|file| Ok(file.usage())).await.unwrap_or_default()
        }
    }

    async fn examine(&self) -> Result<Box<dyn Examination>, StoreError> {
        let entries = self.entries.load(Ordering::Relaxed);
        let (file, gate) = (Arc::clone(&self.file), Arc::clone(&self.readers.gate));
        Ok(Box::new(Check::begin(file, gate, entries).await?))
    }

    fn can_be_copied(&self) -> bool {
        true
    }

    async fn back_up(
        &self,
        place: BackupPlace,
        stop: CancellationToken,
    ) -> Result<Copied, BackupError> {
        self.copy_to(place, &stop).await
    }

    async fn newest_backup(&self, folder: &Path) -> Result<Option<KeptBackup>, StoreError> {
        self.newest_in(folder).await
    }

    fn lost_commits(&self) -> u64 {
        self.lost_commits
    }

    async fn close(&self) {
        self.readers.close().await;
        let mut writing = self.writing.lock().await;
        if let WriteConnection::Open(connection) =
            std::mem::replace(&mut writing.connection, WriteConnection::Closed)
            && let Err(error) = aside::close(connection).await
        {
            log::warn!("The database was not closed cleanly; no data is lost: {error}");
        }
        self.set_log_aside().await;
        self.lock.lock().await.take();
    }
}

#[async_trait]
impl Archive for SqliteStore {
    async fn history(&self, query: &HistoryQuery) -> Result<HistoryPage, StoreError> {
        let answer = async {
            let mut loan = self.readers.lend(&self.file).await?;
            let page = read_page(&mut SqliteRecords(loan.connection()?), query).await;
            loan.give_back(page, &self.file).await
        };
        self.readers.ask(FOR_A_REQUEST, answer).await
    }

    async fn timeline(
        &self,
        query: TimelineQuery,
        repos: &Names,
        passes: KeyPredicate<'_>,
    ) -> Result<Option<Timeline>, StoreError> {
        let answer = async {
            let mut loan = self.readers.lend(&self.file).await?;
            let mut records = SqliteRecords(loan.connection()?);
            let timeline = read_timeline(&mut records, query, repos, passes).await;
            loan.give_back(timeline, &self.file).await
        };
        self.readers.ask(FOR_A_REQUEST, answer).await
    }

    async fn prunable(&self, rule: PruneRule) -> Result<Prunable, StoreError> {
        let answer = async {
            let mut loan = self.readers.lend(&self.file).await?;
            let mut records = SqliteOldRecords(loan.connection()?);
            let prunable = find_prunable(&mut records, rule).await;
            loan.give_back(prunable, &self.file).await
        };
        self.readers.ask(FOR_A_SEARCH, answer).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_web::test]
    async fn another_database_that_was_copied_over_the_file_is_not_taken_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let [path, other, own] =
            ["store.db", "other.db", "own.db"].map(|name| folder.path().join(name));
        SqliteStore::open(&other).await.unwrap().close().await;
        let store = SqliteStore::open(&path).await.unwrap();
        let connection = store.take(&mut *store.writing.lock().await).await.unwrap();
        aside::close(connection).await.unwrap();
        store.file.forget_log();
        std::fs::copy(&path, &own).unwrap();
        std::fs::copy(&other, &path).unwrap();
        let taken = store.changes_since(Head::default()).await;
        assert!(matches!(taken, Err(StoreError::Displaced)), "{taken:?}");
        std::fs::copy(&own, &path).unwrap();
        store.changes_since(Head::default()).await.unwrap();
        store.close().await;
    }
}
