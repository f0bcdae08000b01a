//! How the committer answers, with a store that fails as it is told.

mod fake_store;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use fake_store::{FakeStore, Fate, Truth, is_poisoned};

use super::*;
use crate::board::answer::{Answers, Refusal};
use crate::board::follower::Found;
use crate::board::published::Published;
use crate::board::replicas::Replicas;
use crate::clock::{Clock, ManualClock, Steadiness};
use crate::domain::{
    Action, Capacity, Changes, CommitId, Done, DriftCount, Entry, Omitted, Policy, Refused, Report,
    Revision, SyncStatus, Timestamp,
};
use crate::metrics::{EntrySeries, Metrics};
use crate::store::{Replica, Usage};

const POLICY: Policy = Policy::new(None, None);
const CAPACITY: Capacity = Capacity { entries: None, bytes: None };
const RECORDED: Result<Done, Refusal> =
    Ok(Done::Recorded(Omitted { files: false, revision: false, url: false }));
const NOT_STORED: Result<Done, Refusal> = Err(Refusal::NotStored);

fn now() -> Now {
    Now { at: Timestamp::from_millis(0), steady_for: Duration::ZERO }
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
        let snapshot = Snapshot::load(POLICY, Head::default(), Vec::new(), now());
        let clock = ManualClock::at(now().at);
        let truth = Truth {
            snapshot: snapshot.clone(),
            fates: fates.into_iter().collect(),
            is_shared: false,
            commits: 0,
            last: None,
            told: Vec::new(),
            fails: is_poisoned,
            failure: Duration::ZERO,
            clock: clock.clone(),
        };
        let store = Arc::new(FakeStore(Mutex::new(truth)));
        let published = Arc::new(Published::new(snapshot, CAPACITY, Usage::default()));
        let steadiness = Steadiness::begin(clock.read());
        let time = Timekeeper::new(Arc::clone(&published), Arc::new(clock.clone()), steadiness);
        let series = EntrySeries { is_on: false, max_entries: Some(0) };
        let metrics = Metrics::new(series, now().at, None, || 0);
        let shared = Shared {
            published,
            store: Arc::<FakeStore>::clone(&store),
            replicas: Arc::new(Replicas::new(Replica::default(), None)),
        };
        let committer = Committer::new(shared, metrics.commits.clone());
        Self { committer, time, clock, store }
    }

    /// Stores reports of some servers. Returns the answers, and how many commits were tried.
    async fn report(&mut self, servers: &[&str]) -> (Answers, usize) {
        let action = |server: &&str| Action::Report(report(server));
        self.ask(servers.iter().map(action)).await
    }

    /// Stores what can be stored together with others, and returns those answers.
    async fn report_together(&mut self, servers: &[&str]) -> Vec<Option<Answer>> {
        let request = |server: &&str| Request { action: Action::Report(report(server)), by: None };
        let requests: Vec<Request> = servers.iter().map(request).collect();
        self.committer.store(&requests.iter().collect::<Vec<_>>(), &mut self.time).await
    }

    async fn ask(&mut self, actions: impl IntoIterator<Item = Action>) -> (Answers, usize) {
        let request = |action| Request { action, by: None };
        let requests: Vec<Request> = actions.into_iter().map(request).collect();
        let before = self.truth().commits;
        let requests: Vec<&Request> = requests.iter().collect();
        let answers = self.committer.store(&requests, &mut self.time).await;
        let unanswered = requests.iter().zip(&answers).filter(|(_, answer)| answer.is_none());
        let apart: Vec<&Request> = unanswered.map(|(request, _)| *request).collect();
        let rest = self.committer.store_apart(&apart, &mut self.time).await;
        let mut rest = rest.into_iter();
        let answers = answers.into_iter().map(|answer| answer.or_else(|| rest.next()?).unwrap());
        let answers: Answers = answers.collect();
        let truth = self.truth();
        let published = self.committer.shared.published.snapshot();
        assert_eq!(published.fingerprint(), truth.snapshot.fingerprint());
        assert_eq!(published.head(), truth.snapshot.head());
        (answers, truth.commits - before)
    }

    fn truth(&self) -> MutexGuard<'_, Truth> {
        self.store.0.lock().unwrap()
    }

    fn is_storing(&self) -> bool {
        self.committer.shared.published.is_storing()
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
async fn much_that_others_have_committed_before_an_update_holds_up_no_reader() {
    for (count, is_in_place) in [(10, true), (2000, false)] {
        let others = (0..count).map(|number| format!("s{number}")).collect();
        let mut fixture = Fixture::new([Fate::Followed(others)]);
        let published = Arc::clone(&fixture.committer.shared.published);
        let place = || Arc::as_ptr(&published.snapshot());
        let before = place();
        assert_eq!(fixture.report(&["a"]).await, (vec![RECORDED], 1));
        // A change in place holds the lock that readers take.
        assert_eq!(place() == before, is_in_place, "{count}");
        let snapshot = published.snapshot();
        assert_eq!((snapshot.listed(), snapshot.head().revision), (count + 1, Revision(2)));
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
async fn a_lost_connection_to_a_server_costs_an_update_only_time() {
    let mut fixture = Fixture::new([Fate::Lost { is_made: false }, Fate::Lost { is_made: true }]);
    fixture.truth().is_shared = true;
    assert_eq!(fixture.report(&["a", "b"]).await, (vec![RECORDED; 2], 2));
    assert_eq!(fixture.truth().told, ["a", "b"], "once");
    let lost = || (0..=LOSSES).map(|_| Fate::Lost { is_made: false });
    fixture.truth().fates.extend(lost());
    assert_eq!(fixture.report(&["c"]).await, (vec![NOT_STORED], LOSSES + 1), "not for ever");
    assert!(!fixture.is_storing());
}

#[actix_web::test]
async fn what_was_found_before_a_commit_or_a_load_is_not_adopted() {
    for (fate, known) in [(None, 1), (Some(Fate::Diverged(&["b"])), 2)] {
        let mut fixture = Fixture::new(fate);
        let published = Arc::clone(&fixture.committer.shared.published);
        let entry = Arc::new(Entry::first(report("of another history"), now().at).0);
        let head = Head { revision: Revision(10), id: CommitId::random() };
        let found = |since| {
            let changes = Changes { head, put: vec![Arc::clone(&entry)], ..Changes::default() };
            Found { since, changes: Some(changes) }
        };
        let before = published.head();
        fixture.report(&["a"]).await;
        fixture.committer.follow(found(before), &mut fixture.time).await;
        assert_eq!(published.snapshot().listed(), known);
        fixture.committer.follow(found(published.head()), &mut fixture.time).await;
        assert_eq!((published.snapshot().listed(), published.head()), (known + 1, head));
    }
}

#[actix_web::test]
async fn nothing_is_refused_before_it_is_known_what_others_have_committed() {
    let mut fixture = Fixture::new([Fate::Followed(vec!["a".to_owned()])]);
    let remove = || [Action::Remove(report("a").to_key())];
    let none = Err(Refusal::Refused(Refused::NoSuchEntry));
    fixture.truth().is_shared = true;
    assert_eq!(fixture.ask(remove()).await, (vec![Ok(Done::Removed)], 2));
    assert_eq!(fixture.ask(remove()).await, (vec![none], 1));
    fixture.truth().fates.push_back(Fate::NoSpace);
    assert_eq!(fixture.ask(remove()).await, (vec![NOT_STORED], 1));
    assert!(!fixture.is_storing());
    // An update asks nothing.
    assert_eq!(fixture.report(&["a"]).await, (vec![RECORDED], 1));
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
    fixture.truth().told.clear();
    fixture.report(&["z", "poison", "b", "y"]).await;
    assert_eq!(fixture.truth().told, ["z", "b", "y"], "they take effect in their order");
}

#[actix_web::test]
async fn requests_of_a_pair_keep_their_order_when_a_batch_is_taken_apart() {
    let mut fixture = Fixture::new([]);
    let count = |number: u64| {
        let server = ["poison", "a", "b"][usize::try_from(number % 3).unwrap()];
        let drift_count = DriftCount::parse(number).unwrap();
        Action::Report(Report { drift_count, ..report(server) })
    };
    fixture.ask((0..99).map(count)).await;
    let snapshot = fixture.committer.shared.published.snapshot();
    let count =
        |server: &str| snapshot.get(report(server).key()).unwrap().entry().report.drift_count.get();
    assert_eq!((count("a"), count("b")), (97, 98));
}

#[actix_web::test]
async fn what_the_domain_refuses_is_refused_whatever_the_store_does() {
    let none = Err(Refusal::Refused(Refused::NoSuchEntry));
    let remove = |server| Action::Remove(report(server).to_key());
    for fate in [Fate::NoSpace, Fate::Lost { is_made: false }] {
        let mut fixture = Fixture::new([fate]);
        let asked = [Action::Report(report("a")), remove("b")];
        assert_eq!(fixture.ask(asked).await.0, [NOT_STORED, none]);
    }
    let mut fixture = Fixture::new([]);
    assert_eq!(fixture.ask([Action::Report(report("poison"))]).await.0, [NOT_STORED]);
    assert_eq!(fixture.ask([remove("poison")]).await.0, [none]);
}

#[actix_web::test]
async fn no_pair_is_held_responsible_while_nothing_can_be_stored() {
    let mut fixture = Fixture::new((0..2).map(|_| Fate::Corrupt));
    let servers = ["a", "b", "c"];
    assert_eq!(fixture.report(&servers).await, (vec![NOT_STORED; 3], 2), "not taken apart");
    assert!(!fixture.is_storing());
    assert_eq!(fixture.report(&servers).await, (vec![RECORDED; 3], 1));
    let mut fixture = Fixture::new([Fate::Corrupt]);
    assert_eq!(fixture.report(&servers[..1]).await.0, [RECORDED], "the failure was a passing one");
}

#[actix_web::test]
async fn a_store_that_diverges_all_the_time_is_not_loaded_all_the_time() {
    let mut fixture = Fixture::new((0..10).map(|_| Fate::Diverged(&["b"])));
    let answers = fixture.report_together(&["a"]).await;
    assert_eq!((answers, fixture.truth().commits), (vec![Some(NOT_STORED)], 1 + RELOADS));
}

#[actix_web::test]
async fn requests_of_others_are_answered_before_anything_is_taken_apart() {
    let mut fixture = Fixture::new([]);
    fixture.report(&["a", "poison"]).await;
    assert_eq!(fixture.report_together(&["poison", "b"]).await, [None, Some(RECORDED)]);
    let answers = fixture.report_together(&["poisonous", "c", "a"]).await;
    assert_eq!(answers, [None, None, Some(RECORDED)], "only its times change");
}

#[actix_web::test]
async fn a_pair_is_kept_apart_until_more_than_its_times_can_be_stored() {
    let mut fixture = Fixture::new([]);
    fixture.report(&["poison", "a"]).await;
    fixture.truth().fails = |_| false;
    fixture.clock.advance(Duration::from_secs(2));
    fixture.report(&["poison"]).await;
    assert_eq!(fixture.report(&["poison", "a"]).await, (vec![RECORDED; 2], 1), "it is released");
    fixture.truth().fails =
        |plan| matches!(plan.row(report("poison").key()), Some(RowChange::Put(_)));
    let drifted = || {
        let sync_status = SyncStatus::OutOfSync;
        Action::Report(Report { sync_status, ..report("poison") })
    };
    assert_eq!(fixture.ask([drifted()]).await.0, [NOT_STORED]);
    fixture.clock.advance(Duration::from_secs(2));
    assert_eq!(fixture.report(&["poison"]).await.0, [RECORDED]);
    let (answers, commits) = fixture.ask([drifted(), Action::Report(report("b"))]).await;
    assert_eq!((answers, commits), (vec![NOT_STORED, RECORDED], 3), "b is stored at once");
}

#[actix_web::test]
async fn pairs_that_failed_only_together_with_others_are_soon_stored_again() {
    let mut fixture = Fixture::new([]);
    fixture.truth().failure = Duration::from_millis(300);
    let names = (0..120).map(|number| match number % 3 {
        0 => format!("poison{number}"),
        _ => format!("s{number}"),
    });
    let names: Vec<String> = names.collect();
    let servers: Vec<&str> = names.iter().map(String::as_str).collect();
    let stored = |answers: &Answers| answers.iter().filter(|answer| answer.is_ok()).count();
    let (answers, _) = fixture.report(&servers).await;
    assert!(stored(&answers) < 40, "there is no time to take all apart");
    for _ in 0..25 {
        fixture.clock.advance(Duration::from_secs(7));
        fixture.report(&servers).await;
    }
    let (answers, _) = fixture.report(&servers).await;
    assert_eq!(stored(&answers), 80);
}

#[actix_web::test]
async fn failures_of_ever_new_pairs_take_a_bounded_part_of_the_time() {
    let mut fixture = Fixture::new([]);
    fixture.report(&["a"]).await;
    fixture.truth().fails = |plan| !plan.transitions().is_empty();
    fixture.truth().failure = Duration::from_millis(10);
    let before = fixture.clock.monotonic();
    for batch in 0..600 {
        let names: Vec<String> = (0..60).map(|number| format!("{batch}-{number}")).collect();
        let mut servers: Vec<&str> = names.iter().map(String::as_str).collect();
        servers.push("a");
        let (answers, _) = fixture.report(&servers).await;
        assert_eq!(answers.last(), Some(&RECORDED), "only its times change");
        assert!(fixture.is_storing());
        fixture.clock.advance(Duration::from_millis(90));
    }
    let idle = 600 * Duration::from_millis(90);
    let most = Duration::from_secs(2) + 600 * Duration::from_millis(10 + 12);
    assert!(fixture.clock.monotonic() < before + idle + most);
}
