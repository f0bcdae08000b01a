//! A board's connection to the database, on which calls get lost, hang and come late.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use gitops_status_server::domain::{
    Changes, HistoryPage, HistoryQuery, Names, Plan, Prunable, PruneRule, Revision, Timeline,
    TimelineQuery, TransitionId,
};
use gitops_status_server::store::{
    Archive, CommitError, CommitId, CommitOutcome, Committed, Examination, KeyPredicate, Loaded,
    Store, StoreError,
};

use super::database::{Database, Seen, Statement};
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
    /// The commits that this store has told its board of. They show whether the database has forked
    /// since, as revisions alone do not.
    seen: Mutex<BTreeMap<Revision, Seen>>,
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
        Self { database, board, seen: Mutex::default(), is_polled }
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

    fn expect_seen(&self, revision: Revision) -> Seen {
        let seen = self.seen.lock().unwrap().get(&revision).copied();
        seen.unwrap_or_else(|| {
            let wrong = format!("board {} was not told of {revision:?}", self.board);
            self.database().model.note_wrong(wrong);
            Seen::START
        })
    }

    /// Remembers what the board is told, and fails if the answer does not reach it.
    async fn tell<T>(&self, seen: Seen, answer: T) -> T {
        self.travel().await;
        self.seen.lock().unwrap().insert(seen.revision(), seen);
        answer
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
                    database.confirm(committed.revision);
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

    fn seen_after(&self, seen: Seen, missed: &[Changes]) -> Seen {
        let last = missed.last().map(|changes| changes.revision);
        last.map_or(seen, |revision| self.database().seen_at(revision))
    }
}

#[async_trait]
impl Store for FakeStore {
    async fn load(&self) -> Result<Loaded, StoreError> {
        let _call = self.begin_call();
        let (loaded, seen) = {
            let database = self.ask("load").await?;
            (database.load(), database.last_seen())
        };
        self.note_answer("load", &loaded.revision);
        self.travel().await;
        *self.seen.lock().unwrap() = BTreeMap::from([(seen.revision(), seen)]);
        Ok(loaded)
    }

    async fn commit(
        &self,
        expected: Revision,
        id: CommitId,
        plan: &Plan,
    ) -> Result<Committed, CommitError> {
        let _call = self.begin_call();
        let seen = self.expect_seen(expected);
        let statement = Statement::of(plan, seen, id);
        self.travel().await;
        let answer = self.send(statement);
        self.note_answer("commit", &answer);
        let next = match &answer {
            Ok(committed) => Seen(committed.revision, id),
            Err(CommitError::Conflict(missed)) => self.seen_after(seen, missed),
            Err(_) => seen,
        };
        self.tell(next, answer).await
    }

    async fn outcome(&self, since: Revision, id: CommitId) -> Result<CommitOutcome, StoreError> {
        let _call = self.begin_call();
        let seen = self.expect_seen(since);
        let outcome = self.ask("outcome").await?.outcome(seen, id);
        self.note_answer("outcome", &outcome);
        let next = match &outcome {
            CommitOutcome::Made(committed) => Seen(committed.revision, id),
            CommitOutcome::NotMade { missed } => self.seen_after(seen, missed),
            CommitOutcome::Reload => seen,
        };
        Ok(self.tell(next, outcome).await)
    }

    async fn changes_since(&self, revision: Revision) -> Result<Option<Changes>, StoreError> {
        let _call = self.begin_call();
        let seen = self.expect_seen(revision);
        let changes = self.ask("changes_since").await?.changes_since(seen);
        self.note_answer("changes_since", &changes);
        let next = self.seen_after(seen, changes.as_slice());
        Ok(self.tell(next, changes).await)
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
