//! Replicas of the board on one database, and clients that send them requests.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use gitops_status_server::board::{Board, BoardSettings, Refusal, Start};
use gitops_status_server::clock::{Clock, ManualClock, Reading};
use gitops_status_server::domain::{
    Action, Actor, Capacity, DriftCount, FileNames, Key, Policy, REMEMBERED_FOR, RepoName, Report,
    ReportedTime, ReporterSchedule, Request, Retention, ServerName, SyncStatus, Timestamp,
};
use gitops_status_server::logging;
use gitops_status_server::metrics::{EntrySeries, Metrics};
use gitops_status_server::store::{Replica, Store};
use tokio::task::{JoinHandle, spawn_local, yield_now};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::database::{Database, shown};
use super::fake_store::FakeStore;
use super::faults::Faults;
use super::model::Model;
use crate::support::Random;

/// After how long an entry is stale.
const STALE_AFTER: Duration = Duration::from_mins(5);
/// How long an entry lives.
const TTL: Duration = Duration::from_mins(15);
/// How long the writers take to notice what time it is: some ticks.
const TICKS: Duration = Duration::from_millis(600);

/// How long a writer takes to notice that the store works again: a look, and some ticks.
const LOOKS: Duration = Duration::from_millis(1300);

/// How large a run is.
struct Size {
    boards: usize,
    clients: usize,
    submissions: usize,
    servers: usize,
    most_requests: usize,
    /// Whether boards ask what others have committed, also without an update.
    are_following: bool,
    /// By how many milliseconds the clock of each board is ahead.
    ahead: Vec<u64>,
}

impl Size {
    fn draw(random: &mut Random) -> Self {
        let boards = 1 + random.below(3);
        Self {
            boards,
            clients: 1 + random.below(4),
            submissions: 1 + random.below(6),
            servers: 1 + random.below(6),
            most_requests: random.pick(&[1, 3, 3, 12]),
            are_following: random.below(2) == 0,
            ahead: (0..boards).map(|_| random.pick(&[0, 0, 400])).collect(),
        }
    }
}

/// A clock that is ahead of another one.
struct Skewed {
    clock: ManualClock,
    ahead: u64,
}

impl Clock for Skewed {
    fn read(&self) -> Reading {
        let reading = self.clock.read();
        Reading { wall: reading.wall.plus(Duration::from_millis(self.ahead)), ..reading }
    }
}

struct Running {
    stop: CancellationToken,
    writer: JoinHandle<()>,
    follower: JoinHandle<()>,
}

/// Everything in a run.
struct Cluster {
    database: Arc<Mutex<Database>>,
    clock: ManualClock,
    replicas: RefCell<Vec<Option<Running>>>,
    size: Size,
}

/// Runs one interleaving. Returns what went wrong, and all steps if they are wanted.
pub async fn run(seed: u64, are_steps_wanted: bool) -> (Vec<String>, String) {
    let mut random = Random::new(seed);
    let (mut size, mut faults) = (Size::draw(&mut random), Faults::draw(&mut random));
    if seed.is_multiple_of(8) {
        // A board that is alone has nobody to tell it what it does not know.
        (size.boards, size.are_following, faults) = (1, false, Faults::of_doubt());
    }
    let clock = ManualClock::at(Timestamp::from_millis(1_776_767_535_000));
    let mut model = Model::new(size.boards, are_steps_wanted);
    model.step(|| format!("{faults:?}"));
    let database = Database::new(random, faults, model, clock.clone());
    let replicas = (0..size.boards).map(|_| None).collect();
    let database = Arc::new(Mutex::new(database));
    let cluster = Rc::new(Cluster { database, clock, replicas: RefCell::new(replicas), size });
    cluster.live().await;
    let mut database = cluster.database();
    database.boards.clear();
    (std::mem::take(&mut database.model.wrong), database.model.told())
}

impl Cluster {
    fn database(&self) -> MutexGuard<'_, Database> {
        self.database.lock().unwrap()
    }

    fn below(&self, end: usize) -> usize {
        self.database().random.below(end)
    }

    fn per_mille(&self, times: u32) -> bool {
        self.database().random.per_mille(times)
    }

    async fn live(self: &Rc<Self>) {
        for board in 0..self.size.boards {
            self.start(board).await;
        }
        for _ in 0..=self.below(3) {
            let clients = (0..self.size.clients).map(|_| {
                let cluster = Rc::clone(self);
                spawn_local(async move { cluster.send_some().await })
            });
            for client in clients.collect::<Vec<_>>() {
                client.await.unwrap();
            }
            self.let_time_pass().await;
        }
        self.database().calm_down();
        self.expect_agreement().await;
        self.database().compare();
        self.expect_an_end().await;
        for replica in self.replicas.take().into_iter().flatten() {
            replica.stop.cancel();
            replica.follower.await.unwrap();
            replica.writer.await.unwrap();
        }
    }

    /// Starts a replica.
    async fn start(&self, board: usize) {
        let database = Arc::clone(&self.database);
        let store = Arc::new(FakeStore::new(database, board, self.size.are_following));
        let clock = Arc::new(Skewed { clock: self.clock.clone(), ahead: self.size.ahead[board] });
        let start = loop {
            if let Ok(start) = Start::of(&*store, Replica::default(), &*clock).await {
                break start;
            }
        };
        let settings = BoardSettings {
            policy: Policy::new(Some(STALE_AFTER), Some(TTL)),
            capacity: Capacity { entries: None, bytes: None },
            retention: Retention::default(),
        };
        let series = EntrySeries { is_on: false, max_entries: None };
        let metrics = Metrics::new(series, self.clock.read().wall, None, logging::lines_dropped);
        let (handle, writer, _, follower) = Board::new(
            start,
            Arc::clone(&store) as Arc<dyn Store>,
            store,
            clock,
            settings,
            metrics.commits,
        );
        let stop = CancellationToken::new();
        let writer = spawn_local(writer.run(stop.clone()));
        let follower = spawn_local(follower.run(stop.clone()));
        self.replicas.borrow_mut()[board] = Some(Running { stop, writer, follower });
        self.database().begin(board, handle);
    }

    /// Kills a replica in the middle of whatever it does, and starts it again.
    async fn kill(&self, board: usize) {
        let Some(replica) = self.replicas.borrow_mut()[board].take() else { return };
        {
            let mut database = self.database();
            database.model.step(|| format!("board {board} is killed"));
            database.model.note_fault(board);
            database.boards[board] = None;
        }
        replica.writer.abort();
        replica.follower.abort();
        let end = replica.writer.await;
        assert!(end.is_err_and(|end| end.is_cancelled()), "a writer has ended by itself");
        self.start(board).await;
    }

    /// Moves the clock between two rounds, sometimes far.
    async fn let_time_pass(&self) {
        let span = [0, 0, 1, 200, 301, 1000][self.below(6)];
        self.advance(Duration::from_secs(span)).await;
        if self.per_mille(500) {
            sleep(TICKS).await;
        }
    }

    /// Moves the clock while no call is being answered: a store that takes so long is a fault that
    /// would excuse too much.
    async fn advance(&self, span: Duration) {
        while self.database().calls > 0 {
            sleep(Duration::from_millis(10)).await;
        }
        self.clock.advance(span);
        self.database().model.step(|| format!("{span:?} pass"));
    }

    /// Is one client for a round.
    async fn send_some(self: Rc<Self>) {
        for _ in 0..self.size.submissions {
            for _ in 0..self.below(8) {
                yield_now().await;
            }
            let kill = self.database().faults.kill;
            if self.per_mille(kill) {
                self.kill(self.below(self.size.boards)).await;
            } else if self.per_mille(100) {
                sleep(Duration::from_millis(self.below(400) as u64)).await;
            }
            let (board, keys) = (self.below(self.size.boards), self.keys());
            let is_stored = self.submit(board, &keys, 200, self.per_mille(50)).await;
            if !is_stored && self.per_mille(700) {
                // It tries again, or undoes what may have been stored.
                let removals = [0, 1000][self.below(2)];
                self.submit(board, &keys, removals, false).await;
            }
        }
    }

    fn keys(&self) -> Vec<Key> {
        let count = 1 + self.below(self.size.most_requests);
        (0..count).map(|_| key(self.below(self.size.servers))).collect()
    }

    /// Sends requests to a board, so many per mille of them removals, and notes the answers unless
    /// the client gives up. Returns whether all were stored.
    async fn submit(&self, board: usize, keys: &[Key], removals: u32, gives_up: bool) -> bool {
        let (handle, numbers) = {
            let mut database = self.database();
            let Some(handle) = database.boards[board].clone() else { return false };
            // A board alone, whose commits are never late, knows of all once it knows its own. One that
            // has others asks what they have committed before it refuses anything.
            let is_alone = self.size.boards == 1 && database.faults.late_commit == 0;
            let known = match (is_alone, self.size.are_following) {
                (true, _) => database.last(),
                (false, true) => database.confirmed.max(shown(&handle).0),
                (false, false) => shown(&handle).0,
            };
            let numbers = database.model.send(keys, board, known);
            (handle, numbers)
        };
        let requests: Vec<Request> = numbers
            .clone()
            .zip(keys)
            .map(|(number, key)| self.request(number, key.clone(), removals))
            .collect();
        self.database().model.step(|| format!("{numbers:?} to board {board}: {requests:?}"));
        let yields = self.below(10);
        let patience = async {
            for _ in 0..yields {
                yield_now().await;
            }
            if !gives_up {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            answers = handle.submit(requests) => {
                let now = self.clock.monotonic();
                let mut database = self.database();
                database.look_at_boards();
                database.model.step(|| format!("{numbers:?} of board {board}: {answers:?}"));
                let (Database { model, applied, .. }, shown) = (&mut *database, shown(&handle).0);
                model.answer(numbers.clone(), &answers, applied, shown, now);
                database.expect_no_entries(numbers, TTL);
                !answers.contains(&Err(Refusal::NotStored))
            }
            () = patience => false,
        }
    }

    fn request(&self, number: usize, key: Key, removals: u32) -> Request {
        let by = Some(Actor::parse(&number.to_string()).unwrap());
        if self.per_mille(removals) {
            return Request { action: Action::Remove(key), by };
        }
        let Key { repo, server } = key;
        let report = Report {
            repo,
            server,
            sync_status: [SyncStatus::Synced, SyncStatus::OutOfSync][self.below(2)],
            drift_count: DriftCount::parse(self.below(2) as u64).unwrap(),
            files: FileNames::default(),
            last_check: ReportedTime::parse(&format!("2026-04-21T10:32:15.{number:09}Z")).unwrap(),
            schedule: ReporterSchedule::default(),
            revision: None,
            url: None,
        };
        Request { action: Action::Report(report), by }
    }

    /// Asserts that every board works and agrees with the database once there are no faults.
    async fn expect_agreement(&self) {
        // Pairs leave the quarantine, and a board that could not store notices that it can.
        self.advance(Duration::from_secs(70)).await;
        sleep(LOOKS).await;
        for board in (0..self.size.boards).filter(|_| self.size.are_following) {
            self.database().expect_latest(board);
        }
        for _ in 0..2 {
            for board in 0..self.size.boards {
                self.database().expect_storing(board);
                self.submit(board, &self.keys(), 0, false).await;
                self.database().expect_latest(board);
            }
        }
    }

    /// Asserts that every entry expires, told once by whichever board is first, and that those that
    /// were drifted then are deleted a week later.
    async fn expect_an_end(&self) {
        if self.below(4) > 0 {
            return;
        }
        self.advance(2 * TTL).await;
        sleep(TICKS).await;
        let lives = self.database().rows().0;
        self.advance(REMEMBERED_FOR).await;
        sleep(TICKS).await;
        let mut database = self.database();
        if lives + database.rows().1 > 0 {
            database.model.note_wrong("entries outlive their time".to_owned());
        }
    }
}

fn key(server: usize) -> Key {
    let (repo, server) = ([("a"), ("b")][server % 2], format!("s{server}"));
    Key { repo: RepoName::parse(repo).unwrap(), server: ServerName::parse(&server).unwrap() }
}
