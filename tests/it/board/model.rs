//! What clients may believe: each request, its answer, and whether both agree with the database.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use gitops_status_server::board::Refusal;
use gitops_status_server::domain::{Done, Key, Refused};

/// For how long a pair that could not be stored may be refused: as long as the quarantine, and some.
const QUARANTINE: Duration = Duration::from_secs(70);

/// A request, from when it was sent.
#[derive(Debug)]
pub struct Sent {
    pub key: Key,
    board: usize,
    /// Which requests came together, in order.
    submission: usize,
    asked_at: usize,
    /// When it was answered; never if the client has given up.
    answered_at: usize,
    answer: Option<Result<Done, Refusal>>,
    /// How many faults the board had seen when it was sent.
    faults_before: usize,
    /// How often the database had forked.
    forks_before: usize,
    /// A revision that the board knew at least.
    known: usize,
}

/// Everything that was asked and answered in a run.
#[derive(Default)]
pub struct Model {
    pub sent: Vec<Sent>,
    submissions: usize,
    /// Orders sending and answering.
    moment: usize,
    /// How many faults each board has seen that may keep a request from being stored.
    pub faults: Vec<usize>,
    pub forks: usize,
    /// When each pair could not be stored last, by the monotonic clock.
    pub poisoned_at: BTreeMap<Key, Duration>,
    /// Requests that a fork has undone though they were confirmed.
    pub undone: BTreeSet<usize>,
    /// What has been found wrong.
    pub wrong: Vec<String>,
    /// What has happened, if anybody will read it.
    steps: Option<Vec<String>>,
}

/// Where a request took effect: in which commit, and after how many others there.
pub type Applied = BTreeMap<usize, Vec<(usize, usize)>>;

impl Model {
    pub fn new(boards: usize, is_told: bool) -> Self {
        Self { faults: vec![0; boards], steps: is_told.then(Vec::new), ..Self::default() }
    }

    /// Notes a step for the reader of a failure.
    pub fn step(&mut self, step: impl FnOnce() -> String) {
        if let Some(steps) = &mut self.steps {
            steps.push(step());
        }
    }

    pub fn note_wrong(&mut self, what: String) {
        self.step(|| format!("WRONG: {what}"));
        self.wrong.push(what);
    }

    pub fn note_fault(&mut self, board: usize) {
        self.faults[board] += 1;
    }

    pub fn told(&self) -> String {
        self.steps.as_deref().unwrap_or_default().join("\n")
    }

    /// Notes requests that are sent together. Returns their numbers, of which the first comes next.
    pub fn send(&mut self, keys: &[Key], board: usize, known: usize) -> Range<usize> {
        self.moment += 1;
        self.submissions += 1;
        let first = self.sent.len();
        self.sent.extend(keys.iter().map(|key| Sent {
            key: key.clone(),
            board,
            submission: self.submissions,
            asked_at: self.moment,
            answered_at: usize::MAX,
            answer: None,
            faults_before: self.faults[board],
            forks_before: self.forks,
            known,
        }));
        first..self.sent.len()
    }

    /// Notes the answers to requests, and what is wrong with them at once. `applied` says where the
    /// database has them, `shown` which revision the board shows.
    pub fn answer(
        &mut self,
        requests: Range<usize>,
        answers: &[Result<Done, Refusal>],
        applied: &Applied,
        shown: usize,
        now: Duration,
    ) {
        self.moment += 1;
        if answers.len() != requests.len() {
            self.note_wrong(format!("{} answers to {requests:?}", answers.len()));
        }
        for (request, answer) in requests.zip(answers) {
            let sent = &mut self.sent[request];
            (sent.answered_at, sent.answer) = (self.moment, Some(*answer));
            let sent = &self.sent[request];
            let is_forked = sent.forks_before != self.forks;
            let in_commit = applied.get(&request).and_then(|all| all.last()).map(|last| last.0);
            let is_excused = self.faults[sent.board] != sent.faults_before;
            let poisoned_at = self.poisoned_at.get(&sent.key);
            let was_poisoned = poisoned_at.is_some_and(|at| now < *at + QUARANTINE);
            let wrong = match answer {
                Ok(_) if is_forked => None,
                Ok(_) if in_commit.is_none() => Some("is confirmed and not stored"),
                Ok(_) if in_commit > Some(shown) => Some("is confirmed and not shown"),
                Err(Refusal::NotStored) if !is_excused && !was_poisoned => {
                    Some("was not stored, and no fault says why")
                }
                Err(Refusal::Busy) if !is_excused => Some("was refused, and the queue has room"),
                Err(Refusal::Busy | Refusal::Refused(_)) if in_commit.is_some() => {
                    Some("is refused and stored")
                }
                Ok(_) | Err(_) => None,
            };
            if let Some(wrong) = wrong {
                self.note_wrong(format!(
                    "request {request} {wrong}: {sent:?}",
                    sent = self.sent[request]
                ));
            }
        }
    }

    /// Returns those of some requests that were told that there is no such entry, each with its pair
    /// and the revision from which on that may have been so.
    pub fn told_of_no_entry(
        &self,
        requests: Range<usize>,
    ) -> impl Iterator<Item = (usize, &Key, usize)> {
        let all = requests.map(|request| (request, &self.sent[request]));
        let none = Some(Err(Refusal::Refused(Refused::NoSuchEntry)));
        all.filter(move |(_, sent)| sent.answer == none)
            .map(|(request, sent)| (request, &sent.key, sent.known))
    }

    /// Compares all answers with all that the database has applied in the end.
    pub fn compare(&mut self, applied: &Applied) {
        let mut wrong = Vec::new();
        let mut by_key = BTreeMap::<&Key, Vec<((usize, usize), usize)>>::new();
        for (request, sent) in self.sent.iter().enumerate() {
            let places = applied.get(&request).map(Vec::as_slice).unwrap_or_default();
            if places.len() > 1 {
                wrong.push(format!("request {request} was stored twice: {places:?} {sent:?}"));
            }
            let is_confirmed = matches!(sent.answer, Some(Ok(_)));
            if places.is_empty() && is_confirmed && !self.undone.contains(&request) {
                wrong.push(format!("request {request} is confirmed and lost: {sent:?}"));
            }
            let is_refused = matches!(sent.answer, Some(Err(Refusal::Busy | Refusal::Refused(_))));
            if is_refused && !places.is_empty() {
                wrong.push(format!("request {request} is refused and stored: {sent:?}"));
            }
            let of_key = by_key.entry(&sent.key).or_default();
            of_key.extend(places.iter().map(|place| (*place, request)));
        }
        for (key, mut places) in by_key {
            places.sort_unstable();
            for (index, (_, earlier)) in places.iter().enumerate() {
                for (_, later) in &places[index + 1..] {
                    if !self.may_precede(*earlier, *later) {
                        wrong.push(format!(
                            "{key:?}: request {earlier} took effect before {later}, which was sent first",
                        ));
                    }
                }
            }
        }
        for wrong in wrong {
            self.note_wrong(wrong);
        }
    }

    /// Whether a request may take effect before another one of the same pair.
    fn may_precede(&self, earlier: usize, later: usize) -> bool {
        let (first, second) = (&self.sent[earlier], &self.sent[later]);
        let came_together = first.submission == second.submission;
        second.answered_at >= first.asked_at && (!came_together || earlier < later)
    }
}
