//! The queue of requests: bounded in number and in bytes, so that a slow disk cannot fill memory.
//!
//! A submission takes one place, however many requests it has. A batch takes from the submissions
//! in turns, so that a large one does not keep small ones waiting.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::answer::{Answer, Answers, Refusal};
use crate::domain::Request;
use crate::metrics::QueueLoad;

/// How many submissions may wait.
const CAPACITY: usize = 8192;
/// How many bytes of requests may wait or be in a commit.
const CAPACITY_BYTES: usize = 64 * 1024 * 1024;
/// How many requests a batch may have.
const BATCH_REQUESTS: usize = 1024;
/// How many bytes of requests a batch may have, but for the last one.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// How many requests of a submission go into a batch before the next submission has its turn.
const TURN: usize = 64;

/// Requests that came together and are answered together.
#[derive(Debug)]
struct Submission {
    requests: Vec<Request>,
    /// The answers to the requests that have been chosen for batches, as far as they are known.
    answers: Vec<Option<Answer>>,
    /// How many of the last of these are in the present batch.
    chosen: usize,
    answer: oneshot::Sender<Answers>,
    /// Its place in the queue, until its last request is in a batch.
    place: Option<OwnedSemaphorePermit>,
    /// Its share of the queue's bytes: a batch in a commit that hangs is in memory as well.
    share: OwnedSemaphorePermit,
}

impl Submission {
    /// Chooses the next request for a batch, if there is one. Returns its weight.
    fn choose(&mut self) -> Option<usize> {
        let weight = self.requests.get(self.answers.len())?.weight();
        self.answers.push(None);
        self.chosen += 1;
        if self.answers.len() == self.requests.len() {
            self.place = None;
        }
        Some(weight)
    }

    /// Returns the requests of the present batch that have no answer yet.
    fn unanswered(&self) -> impl Iterator<Item = &Request> {
        let answers = self.requests.iter().zip(&self.answers);
        let of_batch = answers.skip(self.answers.len() - self.chosen);
        of_batch.filter(|(_, answer)| answer.is_none()).map(|(request, _)| request)
    }

    /// Takes the answers to the unanswered requests.
    fn note(&mut self, answers: &mut impl Iterator<Item = Option<Answer>>) {
        let before = self.answers.len() - self.chosen;
        let of_batch = self.answers.iter_mut().skip(before);
        for (place, answer) in of_batch.filter(|answer| answer.is_none()).zip(answers) {
            *place = answer;
        }
    }

    /// Ends its part in the present batch. Returns itself unless those were the last requests.
    fn end_batch(mut self) -> Option<Self> {
        self.chosen = 0;
        if self.answers.len() < self.requests.len() {
            return Some(self);
        }
        drop(self.share);
        // The client may have gone away; that changes nothing.
        self.answer.send(self.answers.into_iter().flatten().collect()).ok();
        None
    }
}

/// The end where requests go in.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    sender: UnboundedSender<Submission>,
    places: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

/// The end where requests come out, batch by batch.
#[derive(Debug)]
pub(super) struct Requests {
    receiver: UnboundedReceiver<Submission>,
    /// In the order of their turns. Those with requests in the present batch are the first.
    waiting: VecDeque<Submission>,
}

/// Makes both ends of a queue.
pub(super) fn queue() -> (Queue, Requests) {
    let (sender, receiver) = unbounded_channel();
    let places = Arc::new(Semaphore::new(CAPACITY));
    let bytes = Arc::new(Semaphore::new(CAPACITY_BYTES));
    (Queue { sender, places, bytes }, Requests { receiver, waiting: VecDeque::new() })
}

impl Queue {
    /// Returns how full it is.
    pub(super) fn load(&self) -> QueueLoad {
        QueueLoad {
            depth: CAPACITY - self.places.available_permits(),
            capacity: CAPACITY,
            bytes: CAPACITY_BYTES - self.bytes.available_permits(),
            capacity_bytes: CAPACITY_BYTES,
        }
    }

    /// Puts requests in, or refuses at once, and waits for their answers.
    pub(super) async fn submit(&self, requests: Vec<Request>) -> Answers {
        let count = requests.len();
        if count == 0 {
            return Answers::new();
        }
        let refusal = match self.put(requests) {
            Some(answers) => match answers.await {
                Ok(answers) => return answers,
                // The writer has died with the requests.
                Err(_) => Refusal::NotStored,
            },
            None => Refusal::Busy,
        };
        vec![Err(refusal); count]
    }

    fn put(&self, requests: Vec<Request>) -> Option<oneshot::Receiver<Answers>> {
        let weight: usize = requests.iter().map(Request::weight).sum();
        let permits = u32::try_from(weight).ok()?;
        let share = Arc::clone(&self.bytes).try_acquire_many_owned(permits).ok()?;
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let (answer, receiver) = oneshot::channel();
        let answers = Vec::with_capacity(requests.len());
        let place = Some(place);
        let submission = Submission { requests, answers, chosen: 0, answer, place, share };
        self.sender.send(submission).ok()?;
        Some(receiver)
    }
}

impl Requests {
    /// Waits for requests. Returns false once the queue is closed and empty.
    ///
    /// Dropping the future loses nothing.
    pub(super) async fn ready(&mut self) -> bool {
        if self.waiting.is_empty() {
            match self.receiver.recv().await {
                Some(submission) => self.waiting.push_back(submission),
                None => return false,
            }
        }
        true
    }

    /// Chooses the requests of the next batch and returns them. Those of one submission are in
    /// order. [`Self::answer`] has to follow.
    pub(super) fn choose(&mut self) -> Vec<&Request> {
        while let Ok(submission) = self.receiver.try_recv() {
            self.waiting.push_back(submission);
        }
        let (mut count, mut weight) = (0, 0);
        'batch: loop {
            let before = count;
            for submission in &mut self.waiting {
                for _ in 0..TURN {
                    if count == BATCH_REQUESTS || weight >= BATCH_BYTES {
                        break 'batch;
                    }
                    let Some(next) = submission.choose() else { break };
                    (count, weight) = (count + 1, weight + next);
                }
            }
            if count == before {
                break;
            }
        }
        self.unanswered()
    }

    /// Returns the requests of the batch that have no answer yet, in its order.
    pub(super) fn unanswered(&self) -> Vec<&Request> {
        let with_chosen = self.waiting.iter().take_while(|submission| submission.chosen > 0);
        with_chosen.flat_map(Submission::unanswered).collect()
    }

    /// Answers the unanswered requests of the batch, in its order. Those that get no answer now stay
    /// in the batch.
    pub(super) fn answer(&mut self, answers: Vec<Option<Answer>>) {
        let mut answers = answers.into_iter();
        let mut left = Vec::new();
        while let Some(mut submission) = self.waiting.pop_front_if(|first| first.chosen > 0) {
            submission.note(&mut answers);
            if submission.unanswered().next().is_some() {
                left.push(submission);
            } else {
                self.waiting.extend(submission.end_batch());
            }
        }
        left.into_iter().rev().for_each(|submission| self.waiting.push_front(submission));
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.receiver.is_empty()
    }

    /// Takes no more submissions; those that wait are kept.
    pub(super) fn close(&mut self) {
        self.receiver.close();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.receiver.is_closed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Action, Done, Omitted, Report};

    fn requests(count: usize, repo: &str) -> Vec<Request> {
        let report = |number: usize| Report::synced(repo, &number.to_string());
        let request = |number| Request { action: Action::Report(report(number)), by: None };
        (0..count).map(request).collect()
    }

    /// Lets everything in the queue be done. Returns how many requests of each repository each batch
    /// had.
    async fn batches(waiting: &mut Requests) -> Vec<(usize, usize)> {
        let mut batches = Vec::new();
        while !waiting.is_empty() {
            assert!(waiting.ready().await);
            let batch = waiting.choose();
            let small = batch.iter().filter(|request| request.key().repo == "small").count();
            let answers = vec![Some(Ok(Done::Recorded(Omitted::default()))); batch.len()];
            batches.push((batch.len() - small, small));
            waiting.answer(answers);
        }
        batches
    }

    #[actix_web::test]
    async fn a_large_submission_takes_one_place_and_lets_small_ones_go_first() {
        let (queue, mut waiting) = queue();
        let large = queue.submit(requests(10_000, "large"));
        let small =
            futures_util::future::join_all((0..3000).map(|_| queue.submit(requests(1, "small"))));
        let done = async {
            tokio::task::yield_now().await;
            assert_eq!(queue.load().depth, 3001);
            batches(&mut waiting).await
        };
        let (large, small, batches) = tokio::join!(large, small, done);
        assert_eq!((large.len(), small.len()), (10_000, 3000));
        assert!(large.iter().chain(small.iter().flatten()).all(Result::is_ok));
        assert!(batches.iter().all(|(large, small)| large + small <= BATCH_REQUESTS));
        let with_small = batches.iter().filter(|(_, small)| *small > 0).count();
        assert_eq!(with_small, 3, "{batches:?}");
        assert_eq!(batches[0], (64, 960));
        assert_eq!((queue.load().depth, queue.load().bytes), (0, 0));
    }

    #[actix_web::test]
    async fn a_submission_that_has_to_wait_for_an_answer_keeps_no_other_one_waiting() {
        let (queue, mut waiting) = queue();
        let first = queue.submit(requests(2, "first"));
        let second = queue.submit(requests(1, "second"));
        let done = async {
            tokio::task::yield_now().await;
            assert_eq!(waiting.choose().len(), 3);
            let stored = Some(Ok(Done::Removed));
            waiting.answer(vec![None, stored, stored]);
            tokio::task::yield_now().await;
            let left: Vec<_> = waiting
                .unanswered()
                .iter()
                .map(|request| request.key().server.to_owned())
                .collect();
            assert_eq!(left, ["0"]);
            let weight: usize = requests(2, "first").iter().map(Request::weight).sum();
            assert_eq!(queue.load().bytes, weight, "the other one is answered");
            waiting.answer(vec![Some(Err(Refusal::NotStored))]);
        };
        let (first, second, ()) = tokio::join!(first, second, done);
        assert_eq!(first, [Err(Refusal::NotStored), Ok(Done::Removed)]);
        assert_eq!(second, [Ok(Done::Removed)]);
    }

    #[actix_web::test]
    async fn more_than_the_queue_has_room_for_is_refused_as_a_whole() {
        let (queue, _waiting) = queue();
        let mut kept = Vec::new();
        for _ in 0..CAPACITY {
            kept.push(queue.put(requests(2, "small")).unwrap());
        }
        assert_eq!(queue.submit(requests(2, "small")).await, vec![Err(Refusal::Busy); 2]);
    }
}
