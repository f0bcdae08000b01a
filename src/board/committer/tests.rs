//! How the committer answers, with a store that fails as it is told.

use std::collections::VecDeque;
use std::sync::Mutex;

use async_trait::async_trait;

use super::*;
use crate::board::board::Refusal;
use crate::clock::{Clock, ManualClock, Steadiness};
use crate::domain::{
    Action, Capacity, Done, Entry, Omitted, Policy, Refused, Report, Timestamp, TransitionId,
};
use crate::metrics::{EntrySeries, Metrics};
use crate::store::{Examination, Usage};

const POLICY: Policy = Policy { stale_after: None, ttl: None };
const CAPACITY: Capacity = Capacity { entries: None, bytes: None };
const RECORDED: Result<Done, Refusal> =
    Ok(Done::Recorded(Omitted { files: false, revision: false, url: false }));
const NOT_STORED: Result<Done, Refusal> = Err(Refusal::NotStored);

/// What happens to a commit.
enum Fate {
    /// Others have reported these servers first.
    Overtaken(&'static [&'static str]),
    /// The same, and nothing else is known of it.
    Diverged(&'static [&'static str]),
    /// The connection is lost after it was made, or before.
    Lost {
        is_made: bool,
    },
    NoSpace,
}

/// A store in memory. It cannot store the entry of a server called `poison`.
struct FakeStore(Mutex<Truth>);

struct Truth {
    snapshot: Snapshot,
    fates: VecDeque<Fate>,
    commits: usize,
    last: Option<CommitId>,
}

fn now() -> Now {
    Now { at: Timestamp::from_millis(0), steady_for: Duration::ZERO }
}

impl Truth {
    fn report_by_others(&mut self, servers: &[&str]) -> Changes {
        let entry = |server: &&str| Arc::new(Entry::first(report(server), now().at).0);
        let put = servers.iter().map(entry).collect();
        let revision = self.snapshot.revision().next();
        let changes = Changes { revision, put, removed: Vec::new() };
        self.snapshot.adopt(changes.clone(), now());
        changes
    }

    fn accept(&mut self, id: CommitId, plan: &Plan) -> Committed {
        let revision = self.snapshot.revision().next();
        self.snapshot.accept(plan, revision);
        self.last = Some(id);
        Committed { revision, missed: Vec::new() }
    }
}

#[async_trait]
impl Store for FakeStore {
    async fn load(&self) -> Result<Loaded, StoreError> {
        let truth = self.0.lock().unwrap();
        let standings = truth.snapshot.segments().iter().flat_map(|segment| segment.standings());
        let entries = standings.map(|standing| Arc::clone(standing.entry())).collect();
        Ok(Loaded { store_id: String::new(), revision: truth.snapshot.revision(), entries })
    }

    async fn commit(
        &self,
        expected: Revision,
        id: CommitId,
        plan: &Plan,
    ) -> Result<Committed, CommitError> {
        let mut truth = self.0.lock().unwrap();
        truth.commits += 1;
        assert_eq!(expected, truth.snapshot.revision());
        if plan.rows().any(|row| row.entry().report.server.as_str() == "poison") {
            return Err(CommitError::Content(StoreError::Closed));
        }
        match truth.fates.pop_front() {
            None => Ok(truth.accept(id, plan)),
            Some(Fate::Overtaken(servers)) => {
                Err(CommitError::Conflict(vec![truth.report_by_others(servers)]))
            }
            Some(Fate::Diverged(servers)) => {
                truth.report_by_others(servers);
                Err(CommitError::Diverged)
            }
            Some(Fate::Lost { is_made }) => {
                if is_made {
                    truth.accept(id, plan);
                }
                Err(CommitError::Unknown(StoreError::Closed))
            }
            Some(Fate::NoSpace) => Err(CommitError::NoSpace(StoreError::Closed)),
        }
    }

    async fn outcome(&self, since: Revision, id: CommitId) -> Result<CommitOutcome, StoreError> {
        let is_made = self.0.lock().unwrap().last == Some(id);
        let made = Committed { revision: since.next(), missed: Vec::new() };
        Ok(if is_made {
            CommitOutcome::Made(made)
        } else {
            CommitOutcome::NotMade { missed: Vec::new() }
        })
    }

    async fn changes_since(&self, _: Revision) -> Result<Option<Changes>, StoreError> {
        Ok(None)
    }

    async fn prune(&self, _: &[TransitionId]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn tend(&self, _: bool) -> Result<(), StoreError> {
        Ok(())
    }

    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn usage(&self) -> Usage {
        Usage::default()
    }

    async fn examine(&self) -> Result<Box<dyn Examination>, StoreError> {
        Err(StoreError::Closed)
    }

    fn lost_commits(&self) -> u64 {
        0
    }

    async fn close(&self) {}
}

/// A committer, and what it works on.
struct Fixture {
    committer: Committer,
    time: Timekeeper,
    clock: ManualClock,
    store: Arc<FakeStore>,
}

impl Fixture {
    fn new(fates: impl IntoIterator<Item = Fate>) -> Self {
        let snapshot = Snapshot::load(POLICY, Revision(0), Vec::new(), now());
        let truth = Truth {
            snapshot: snapshot.clone(),
            fates: fates.into_iter().collect(),
            commits: 0,
            last: None,
        };
        let store = Arc::new(FakeStore(Mutex::new(truth)));
        let published = Arc::new(Published::new(snapshot, CAPACITY, Usage::default()));
        let clock = ManualClock::at(now().at);
        let steadiness = Steadiness::begin(clock.read());
        let time = Timekeeper::new(Arc::clone(&published), Arc::new(clock.clone()), steadiness);
        let series = EntrySeries { is_on: false, max_entries: Some(0) };
        let metrics = Metrics::new(series, now().at, || 0);
        let shared = Arc::<FakeStore>::clone(&store);
        let committer = Committer::new(published, shared, metrics.commits.clone());
        Self { committer, time, clock, store }
    }

    /// Stores reports of some servers. Returns the answers, and how many commits were tried.
    async fn report(&mut self, servers: &[&str]) -> (Answers, usize) {
        let action = |server: &&str| Action::Report(report(server));
        self.ask(servers.iter().map(action)).await
    }

    async fn ask(&mut self, actions: impl IntoIterator<Item = Action>) -> (Answers, usize) {
        let request = |action| Request { action, by: None };
        let requests: Vec<Request> = actions.into_iter().map(request).collect();
        let before = self.store.0.lock().unwrap().commits;
        let requests: Vec<&Request> = requests.iter().collect();
        let answers = self.committer.store(&requests, &mut self.time).await;
        let truth = self.store.0.lock().unwrap();
        let published = self.committer.published.snapshot();
        assert_eq!(published.fingerprint(), truth.snapshot.fingerprint());
        assert_eq!(published.revision(), truth.snapshot.revision());
        (answers, truth.commits - before)
    }

    fn is_storing(&self) -> bool {
        self.committer.published.is_storing()
    }
}

fn report(server: &str) -> Report {
    Report::synced("repo", server)
}

#[actix_web::test]
async fn requests_are_planned_again_when_others_have_committed_first() {
    for fate in [Fate::Overtaken(&["a", "b"]), Fate::Diverged(&["a", "b"])] {
        let mut fixture = Fixture::new([fate]);
        let remove = |server| Action::Remove(report(server).to_key());
        let asked = [Action::Report(report("a")), remove("b"), remove("c")];
        let (answers, commits) = fixture.ask(asked).await;
        let none = Err(Refusal::Refused(Refused::NoSuchEntry));
        assert_eq!(answers, [RECORDED, Ok(Done::Removed), none]);
        assert_eq!(commits, 2);
        assert!(fixture.is_storing(), "it is no failure");
    }
}

#[actix_web::test]
async fn an_update_whose_confirmation_was_lost_is_answered_by_what_became_of_it() {
    let mut fixture = Fixture::new([Fate::Lost { is_made: true }, Fate::Lost { is_made: false }]);
    assert_eq!(fixture.report(&["a"]).await, (vec![RECORDED], 1));
    assert!(fixture.is_storing());
    assert_eq!(fixture.report(&["b"]).await, (vec![NOT_STORED], 1));
    assert!(!fixture.is_storing());
    assert_eq!(fixture.report(&["b"]).await, (vec![RECORDED], 1));
    assert!(fixture.is_storing());
}

#[actix_web::test]
async fn a_batch_for_which_there_is_no_space_is_not_taken_apart() {
    let mut fixture = Fixture::new([Fate::NoSpace]);
    assert_eq!(fixture.report(&["a", "b"]).await, (vec![NOT_STORED; 2], 1));
    assert!(!fixture.is_storing());
}

#[actix_web::test]
async fn only_what_cannot_be_stored_is_refused_and_then_kept_apart() {
    let mut fixture = Fixture::new([]);
    let servers: Vec<String> = (0..60).map(|number| format!("s{number}")).collect();
    let mut servers: Vec<&str> = servers.iter().map(String::as_str).collect();
    servers.insert(20, "poison");
    servers.insert(40, "poison");
    let (answers, commits) = fixture.report(&servers).await;
    let refused = servers.iter().zip(&answers).filter(|(_, answer)| **answer == NOT_STORED);
    assert_eq!(refused.map(|(server, _)| *server).collect::<Vec<_>>(), ["poison"; 2]);
    assert!(commits < 16, "{commits}");
    assert!(fixture.is_storing());
    let (answers, commits) = fixture.report(&["poison", "s1", "poison"]).await;
    assert_eq!((answers, commits), (vec![NOT_STORED, RECORDED, NOT_STORED], 1), "not tried");
    fixture.clock.advance(Duration::from_secs(2));
    let (answers, commits) = fixture.report(&["poison", "s1", "poison"]).await;
    assert_eq!(answers, [NOT_STORED, RECORDED, NOT_STORED]);
    assert_eq!(commits, 3, "one of the others, one of it, and one to see whether the store works");
    assert!(fixture.is_storing());
}
