//! The store itself: its state and the calls of [`Store`].

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use super::check::Check;
use super::line::{Line, Patience, Source, within};
use super::prune::PostgresOldRecords;
use super::readers::Readers;
use super::records::PostgresRecords;
use super::server::SessionLimits;
use super::target::Target;
use super::{feed, readers, stored_entries, upkeep};
use crate::domain::{
    Changes, CommitId, Head, HistoryPage, HistoryQuery, Names, Outage, Plan, Prunable, PruneRule,
    Revision, Timeline, TimelineQuery, Timestamp, TransitionId,
};
use crate::mutex::locked;
use crate::store::archive::{FOR_A_REQUEST, FOR_A_SEARCH};
use crate::store::history::{find_prunable, read_page, read_timeline};
use crate::store::{
    Archive, CommitError, CommitOutcome, Committed, Examination, KeyPredicate, Loaded, Meeting,
    Presence, Store, StoreError, Usage,
};

/// How often to ask what others have committed.
const POLL: Duration = Duration::from_millis(100);
/// Every how many calls of `usage` something is measured.
const CALLS_A_MEASUREMENT: u32 = 30;

/// What a statement of the writer and of a poll may take.
const BRIEF: SessionLimits = SessionLimits {
    statement: Duration::from_secs(5),
    lock: Duration::from_secs(5),
    idle_in_transaction: Duration::from_secs(5),
};
/// What the housekeeping may take, which nobody waits for.
const BESIDE: SessionLimits = SessionLimits {
    statement: Duration::from_mins(1),
    lock: Duration::from_mins(1),
    idle_in_transaction: Duration::from_secs(5),
};
/// What a load may take.
const LOADING: SessionLimits = SessionLimits {
    statement: Duration::from_mins(10),
    lock: Duration::from_secs(5),
    idle_in_transaction: Duration::from_mins(1),
};

/// Before every commit.
const NOTHING_TRIMMED: Revision = Revision(-1);

/// A store in a PostgreSQL database, which any number of replicas have open.
#[derive(Debug)]
pub struct PostgresStore {
    pub(super) source: Source,
    /// Identifies this replica.
    id: CommitId,
    pub(super) writing: Line,
    /// Polls and meets others, also while the writer waits, and cancels questions.
    polling: Line,
    /// Trims and measures, which may take long where the database is large.
    housekeeping: Line,
    readers: Readers,
    /// The last commit that was trimmed. All before it are gone.
    trimmed: Mutex<Revision>,
    /// How often `usage` was called.
    calls: AtomicU32,
    /// The size of the database when it was last measured, or 0.
    bytes: AtomicU64,
}

impl PostgresStore {
    pub(super) fn new(target: Target, store_id: String) -> Self {
        Self {
            source: Source::new(target, store_id),
            id: CommitId::random(),
            writing: Line::new(BRIEF, Patience::Short),
            polling: Line::new(BRIEF, Patience::None),
            housekeeping: Line::new(BESIDE, Patience::None),
            readers: Readers::new(),
            trimmed: Mutex::new(NOTHING_TRIMMED),
            calls: AtomicU32::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    /// Lends a connection for a question about the history.
    async fn lend(&self, patience: Duration) -> Result<readers::Loan<'_>, StoreError> {
        self.readers.lend(patience, &self.source, &self.polling).await
    }

    /// Returns the size of the database in bytes.
    async fn measure(&self) -> Result<u64, StoreError> {
        let mut loan = self.housekeeping.lend(&self.source).await?;
        let size = within(&BESIDE, upkeep::size(&mut loan.connection)).await;
        loan.give_back(size)
    }

    /// Reads the next commits after one, or `None` where everything has to be loaded.
    pub(super) async fn missed_since(
        &self,
        since: Head,
        line: &Line,
    ) -> Result<Option<Vec<Changes>>, StoreError> {
        let mut loan = line.lend(&self.source).await?;
        match within(line.limits(), feed::since(&mut loan.connection, since)).await {
            Ok(Some(missed)) => {
                loan.keep();
                Ok(Some(missed))
            }
            // What cannot be read is not adopted. The entries can still be loaded. The connection is
            // closed, since the rest of the answer may be long.
            Ok(None) | Err(StoreError::Damaged { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes sure that the database is the one that was opened, and can be written. Only the writer asks,
    /// where it commits: others may wait for an answer on the other connections.
    async fn look(&self) -> Result<(), StoreError> {
        let mut loan = self.writing.lend(&self.source).await?;
        let looked = upkeep::check(&mut loan.connection, &self.source.store_id);
        let looked = within(&BRIEF, looked).await;
        loan.give_back(looked)
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn load(&self) -> Result<Loaded, StoreError> {
        self.writing.check_open().await?;
        // Beside the others, which a long statement must not hold.
        let mut connection = self.source.connect(&LOADING, Patience::None).await?;
        stored_entries::read_all(&mut connection).await
    }

    async fn commit(
        &self,
        expected: Head,
        id: CommitId,
        plan: &Plan,
    ) -> Result<Committed, CommitError> {
        self.commit_plan(expected, id, plan).await
    }

    async fn outcome(&self, since: Head, id: CommitId) -> Result<CommitOutcome, StoreError> {
        self.outcome_of(since, id).await
    }

    async fn changes_since(&self, since: Head) -> Result<Option<Changes>, StoreError> {
        let Some(missed) = self.missed_since(since, &self.polling).await? else { return Ok(None) };
        let mut sum = Changes { head: since, ..Changes::default() };
        sum.extend(missed);
        Ok(Some(sum))
    }

    fn poll_every(&self) -> Option<Duration> {
        Some(POLL)
    }

    async fn meet(&self, me: Presence<'_>) -> Result<Option<Meeting>, StoreError> {
        let mut loan = self.polling.lend(&self.source).await?;
        let met = within(&BRIEF, upkeep::meet(&mut loan.connection, self.id, me)).await;
        loan.give_back(met).map(Some)
    }

    async fn note_outages(
        &self,
        outages: &[Outage],
        in_place_of: &[Outage],
    ) -> Result<(), StoreError> {
        let mut loan = self.writing.lend(&self.source).await?;
        let put = upkeep::put_outages(&mut loan.connection, outages, in_place_of);
        let put = within(&BRIEF, put).await;
        loan.give_back(put)
    }

    async fn note_restore(
        &self,
        at: Timestamp,
        in_place_of: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let mut loan = self.writing.lend(&self.source).await?;
        let put = upkeep::put_restored_at(&mut loan.connection, at, in_place_of);
        let put = within(&BRIEF, put).await;
        loan.give_back(put)
    }

    async fn prune(&self, transitions: &[TransitionId]) -> Result<(), StoreError> {
        let mut loan = self.writing.lend(&self.source).await?;
        let pruned = within(&BRIEF, upkeep::prune(&mut loan.connection, transitions)).await;
        loan.give_back(pruned)
    }

    async fn trim(&self) -> Result<bool, StoreError> {
        let mut loan = self.housekeeping.lend(&self.source).await?;
        // After an error everything is looked at again: the server may be another one, which has not
        // deleted all of that.
        let after = std::mem::replace(&mut *locked(&self.trimmed), NOTHING_TRIMMED);
        let trimmed = within(&BESIDE, upkeep::trim(&mut loan.connection, after)).await;
        let (last, has_more) = loan.give_back(trimmed)?;
        *locked(&self.trimmed) = last;
        Ok(has_more)
    }

    async fn check(&self) -> Result<(), StoreError> {
        match self.look().await {
            // The server may have ended an idle session, which a new one replaces.
            Err(StoreError::Unavailable(_)) => self.look().await,
            looked => looked,
        }
    }

    async fn usage(&self) -> Usage {
        if self.source.is_away() {
            // It is measured as soon as the database is back.
            self.calls.store(0, Ordering::Relaxed);
            return Usage::default();
        }
        let calls = self.calls.fetch_add(1, Ordering::Relaxed);
        if calls.is_multiple_of(CALLS_A_MEASUREMENT) {
            // An error says that it is not known, until it is measured again.
            self.bytes.store(self.measure().await.unwrap_or(0), Ordering::Relaxed);
        }
        let bytes = self.bytes.load(Ordering::Relaxed);
        Usage { database_bytes: (bytes > 0).then_some(bytes), ..Usage::default() }
    }

    async fn examine(&self) -> Result<Box<dyn Examination>, StoreError> {
        Ok(Box::new(Check::begin(&self.source, BRIEF).await?))
    }

    async fn close(&self) {
        self.readers.close(&self.source, &self.polling).await;
        if let Ok(mut loan) = self.polling.lend(&self.source).await {
            // Others notice by themselves after a while.
            let parted = within(&BRIEF, upkeep::part(&mut loan.connection, self.id)).await;
            loan.give_back(parted).ok();
        }
        self.housekeeping.close().await;
        self.polling.close().await;
        self.writing.close().await;
    }
}

#[async_trait]
impl Archive for PostgresStore {
    async fn history(&self, query: &HistoryQuery) -> Result<HistoryPage, StoreError> {
        let answer = async {
            let mut loan = self.lend(FOR_A_REQUEST).await?;
            let mut records = PostgresRecords::new(loan.connection()?);
            let page = read_page(&mut records, query).await;
            if records.has_much_left() {
                drop(loan);
                return page;
            }
            loan.give_back(page)
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
            let mut loan = self.lend(FOR_A_REQUEST).await?;
            let mut records = PostgresRecords::new(loan.connection()?);
            let timeline = read_timeline(&mut records, query, repos, passes).await;
            loan.give_back(timeline)
        };
        self.readers.ask(FOR_A_REQUEST, answer).await
    }

    async fn prunable(&self, rule: PruneRule) -> Result<Prunable, StoreError> {
        let answer = async {
            let mut loan = self.lend(FOR_A_SEARCH).await?;
            let mut records = PostgresOldRecords(loan.connection()?);
            let prunable = find_prunable(&mut records, rule).await;
            loan.give_back(prunable)
        };
        self.readers.ask(FOR_A_SEARCH, answer).await
    }
}
