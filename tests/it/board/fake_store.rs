//! A board's connection to the database, on which calls get lost, hang and come late.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use gitops_status_server::domain::{
    Changes, CommitId, Head, HistoryPage, HistoryQuery, Names, Plan, Prunable, PruneRule, Timeline,
    TimelineQuery, TransitionId,
};
use gitops_status_server::store::{
    Archive, CommitError, CommitOutcome, Committed, Examination, KeyPredicate, Loaded, Store,
    StoreError,
};

use super::database::{Database, Statement};
use super::faults::HANG;

/// How often a board asks what others have committed, if it does.
const POLL: Duration = Duration::from_millis(100);

/// What becomes of a commit on its way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    Arrives,
    IsLost,
    AnswerIsLost,
    ComesLate,
}

impl Fate {
    fn draw(database: &mut Database) -> Fate {
        let faults = database.faults;
        if database.random.per_mille(faults.lost_commit) {
            Fate::IsLost
        } else if database.random.per_mille(faults.lost_answer) {
            Fate::AnswerIsLost
        } else if database.random.per_mille(faults.late_commit) {
            Fate::ComesLate
        } else {
            Fate::Arrives
        }
    }
}

/// The store of one board: a connection to the database that all boards share.
pub struct FakeStore {
    database: Arc<Mutex<Database>>,
    board: usize,
    /// Whether the board follows the others.
    is_polled: bool,
}

pub fn unavailable(why: &str) -> StoreError {
    StoreError::Unavailable(why.into())
}

/// A call that is being answered.
struct Call<'a>(&'a Mutex<Database>);

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.0.lock().unwrap().calls -= 1;
    }
}

impl FakeStore {
    pub fn new(database: Arc<Mutex<Database>>, board: usize, is_polled: bool) -> Self {
        Self { database, board, is_polled }
    }

    fn begin_call(&self) -> Call<'_> {
        self.database().calls += 1;
        Call(&self.database)
    }

    fn database(&self) -> MutexGuard<'_, Database> {
        self.database.lock().unwrap()
    }

    /// Lets others go first, now and then for long.
    async fn travel(&self) {
        let (yields, hangs) = {
            let mut database = self.database();
            let hang = database.faults.hang;
            (database.random.below(5), database.random.per_mille(hang))
        };
        for _ in 0..yields {
            tokio::task::yield_now().await;
        }
        if hangs {
            self.database().model.step(|| format!("board {}: a call hangs", self.board));
            tokio::time::sleep(HANG).await;
        }
        self.database().look_at_boards();
    }

    /// Begins a call that is not a commit. Returns the database if it can be asked.
    async fn ask(&self, what: &str) -> Result<MutexGuard<'_, Database>, StoreError> {
        self.travel().await;
        let mut database = self.database();
        database.let_things_happen();
        let failed = database.faults.failed_read;
        if database.is_down() || database.random.per_mille(failed) {
            database.model.step(|| format!("board {}: {what} fails", self.board));
            database.model.note_fault(self.board);
            return Err(unavailable("the connection was lost"));
        }
        Ok(database)
    }

    fn note_answer<T: std::fmt::Debug>(&self, what: &str, answer: &T) {
        self.database().model.step(|| format!("board {}: {what} -> {answer:?}", self.board));
    }

    /// Lets a statement arrive or not.
    fn send(&self, statement: Statement) -> Result<Committed, CommitError> {
        let mut database = self.database();
        database.let_things_happen();
        let fate = if database.is_down() { Fate::IsLost } else { Fate::draw(&mut database) };
        let (board, id) = (self.board, statement.id);
        database.model.step(|| format!("board {board}: commit {id:?} {fate:?}: {statement:?}"));
        match fate {
            Fate::Arrives => {
                let answer = database.apply(&statement);
                if let Ok(committed) = &answer {
                    database.confirm(committed.head.revision);
                }
                // A board gives up where it diverges again and again.
                if matches!(answer, Err(CommitError::NoSpace(_) | CommitError::Diverged)) {
                    database.model.note_fault(board);
                }
                return answer;
            }
            Fate::IsLost => {}
            Fate::AnswerIsLost => drop(database.apply(&statement)),
            Fate::ComesLate => database.on_their_way.push(statement),
        }
        database.model.note_fault(board);
        Err(CommitError::Unknown(unavailable("the connection was lost")))
    }
}

#[async_trait]
impl Store for FakeStore {
    async fn load(&self) -> Result<Loaded, StoreError> {
        let _call = self.begin_call();
        let loaded = self.ask("load").await?.load();
        self.note_answer("load", &loaded.head);
        self.travel().await;
        Ok(loaded)
    }

    async fn commit(
        &self,
        expected: Head,
        id: CommitId,
        plan: &Plan,
    ) -> Result<Committed, CommitError> {
        let _call = self.begin_call();
        let statement = Statement::of(plan, expected, id);
        self.travel().await;
        let answer = self.send(statement);
        self.note_answer("commit", &answer);
        self.travel().await;
        answer
    }

    async fn outcome(&self, since: Head, id: CommitId) -> Result<CommitOutcome, StoreError> {
        let _call = self.begin_call();
        let outcome = self.ask("outcome").await?.outcome(since, id);
        self.note_answer("outcome", &outcome);
        self.travel().await;
        Ok(outcome)
    }

    async fn changes_since(&self, since: Head) -> Result<Option<Changes>, StoreError> {
        let _call = self.begin_call();
        let changes = self.ask("changes_since").await?.changes_since(since, !self.is_polled);
        self.note_answer("changes_since", &changes);
        self.travel().await;
        Ok(changes)
    }

    fn poll_every(&self) -> Option<Duration> {
        self.is_polled.then_some(POLL)
    }

    async fn prune(&self, _: &[TransitionId]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn check(&self) -> Result<(), StoreError> {
        let _call = self.begin_call();
        self.ask("check").await.map(drop)
    }

    async fn examine(&self) -> Result<Box<dyn Examination>, StoreError> {
        Err(StoreError::Closed)
    }

    async fn close(&self) {}
}

/// No history: nobody asks.
#[async_trait]
impl Archive for FakeStore {
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
        Err(StoreError::Closed)
    }
}
