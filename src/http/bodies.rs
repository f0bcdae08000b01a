//! The memory of all bodies that are being received and parsed: one bound for all of them.
//!
//! A byte counts from when it is there; a length that is only announced reserves nothing. Where
//! there is no room, the body that has waited longest for its client makes room: clients that send
//! slowly, or send nothing more, must not keep out those that send at once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// How many bytes all bodies may take together.
const CAPACITY: usize = 256 * 1024 * 1024;

/// All bodies; clones are views of the same ones.
#[derive(Clone, Debug)]
pub struct Bodies(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    capacity: usize,
    used: AtomicUsize,
    waiting: Mutex<Waiting>,
}

/// The bodies of which something is still to come, the first that had to wait in front.
#[derive(Debug, Default)]
struct Waiting {
    bodies: BTreeMap<u64, Unfinished>,
    next_number: u64,
}

#[derive(Debug)]
struct Unfinished {
    bytes: usize,
    given_up: Arc<Notify>,
}

/// What one body takes; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Share {
    bodies: Bodies,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// A thread is at work on it: it goes on to the end.
    InHand { bytes: usize },
    /// It waits for its client, under a number, and may have been given up.
    Waiting { number: u64, given_up: Arc<Notify> },
}

/// There is no room for this body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct NoRoom;

impl Default for Bodies {
    fn default() -> Self {
        Self::with_capacity(CAPACITY)
    }
}

impl Bodies {
    fn with_capacity(capacity: usize) -> Self {
        let waiting = Mutex::default();
        Self(Arc::new(Inner { capacity, used: AtomicUsize::new(0), waiting }))
    }

    /// Begins with a body that takes nothing yet.
    pub(super) fn begin(&self) -> Share {
        Share { bodies: self.clone(), place: Place::InHand { bytes: 0 } }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves some bytes, if need be by giving up bodies that have waited longer than the one of
    /// this number.
    fn reserve(&self, bytes: usize, number: Option<u64>) -> Result<(), NoRoom> {
        let enlarged = |used: usize| used.checked_add(bytes).filter(|&sum| sum <= self.0.capacity);
        while self.0.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, enlarged).is_err() {
            let mut waiting = self.waiting();
            let oldest = waiting.bodies.first_entry().ok_or(NoRoom)?;
            if number.is_some_and(|number| number <= *oldest.key()) {
                return Err(NoRoom);
            }
            // Its memory is free once its task has been told, which it is at its next turn.
            let Unfinished { bytes, given_up } = oldest.remove();
            self.free(bytes);
            given_up.notify_one();
        }
        Ok(())
    }

    fn free(&self, bytes: usize) {
        self.0.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Share {
    /// Takes more bytes.
    pub(super) fn grow(&mut self, more: usize) -> Result<(), NoRoom> {
        match &mut self.place {
            Place::InHand { bytes } => {
                self.bodies.reserve(more, None)?;
                *bytes += more;
            }
            Place::Waiting { number, .. } => {
                self.bodies.reserve(more, Some(*number))?;
                let mut waiting = self.bodies.waiting();
                let Some(body) = waiting.bodies.get_mut(number) else {
                    self.bodies.free(more);
                    return Err(NoRoom);
                };
                body.bytes += more;
            }
        }
        Ok(())
    }

    /// Waits for more of the body, unless it is given up meanwhile.
    pub(super) async fn wait<T>(&mut self, more: impl Future<Output = T>) -> Result<T, NoRoom> {
        let given_up = self.begin_to_wait();
        tokio::select! {
            biased;
            () = given_up.notified() => Err(NoRoom),
            more = more => Ok(more),
        }
    }

    fn begin_to_wait(&mut self) -> Arc<Notify> {
        match &self.place {
            Place::Waiting { given_up, .. } => Arc::clone(given_up),
            Place::InHand { bytes } => {
                let given_up = Arc::new(Notify::new());
                let body = Unfinished { bytes: *bytes, given_up: Arc::clone(&given_up) };
                let mut waiting = self.bodies.waiting();
                let number = waiting.next_number;
                waiting.next_number += 1;
                waiting.bodies.insert(number, body);
                drop(waiting);
                self.place = Place::Waiting { number, given_up: Arc::clone(&given_up) };
                given_up
            }
        }
    }

    /// Says that the whole body is there: from here on it is not given up any more.
    pub(super) fn complete(&mut self) -> Result<(), NoRoom> {
        if let Place::Waiting { number, .. } = self.place {
            let body = self.bodies.waiting().bodies.remove(&number).ok_or(NoRoom)?;
            self.place = Place::InHand { bytes: body.bytes };
        }
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        // What was given up is free already.
        self.complete().ok();
        if let Place::InHand { bytes } = self.place {
            self.bodies.free(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures_util::FutureExt;

    use super::*;

    fn used(bodies: &Bodies) -> usize {
        bodies.0.used.load(Ordering::Relaxed)
    }

    /// Begins a body of so many bytes that waits for its client.
    fn waiting(bodies: &Bodies, bytes: usize) -> Share {
        let mut share = bodies.begin();
        share.grow(bytes).unwrap();
        assert!(share.wait(pending::<()>()).now_or_never().is_none());
        share
    }

    #[test]
    fn what_a_body_takes_is_free_again_when_it_is_done_with() {
        let bodies = Bodies::with_capacity(100);
        let mut share = bodies.begin();
        share.grow(60).unwrap();
        let mut other = waiting(&bodies, 40);
        assert_eq!(other.wait(ready(1)).now_or_never(), Some(Ok(1)));
        assert_eq!(used(&bodies), 100);
        other.complete().unwrap();
        assert_eq!(share.grow(1), Err(NoRoom), "nobody waits for a client");
        drop((share, other));
        assert_eq!(used(&bodies), 0);
    }

    #[test]
    fn bodies_that_wait_make_room_for_those_that_arrive_the_oldest_first() {
        let bodies = Bodies::with_capacity(100);
        let mut slow: Vec<Share> = (0..10).map(|_| waiting(&bodies, 10)).collect();
        let mut quick = bodies.begin();
        quick.grow(15).unwrap();
        let given_up: Vec<bool> = slow
            .iter_mut()
            .map(|share| share.wait(pending::<()>()).now_or_never() == Some(Err(NoRoom)))
            .collect();
        assert_eq!(given_up, (0..10).map(|number| number < 2).collect::<Vec<_>>());
        assert_eq!(slow[0].grow(1), Err(NoRoom));
        assert_eq!(slow[1].complete(), Err(NoRoom));
        assert_eq!(slow[2].grow(20), Err(NoRoom), "the oldest has nobody to take from");
        slow[9].grow(20).unwrap();
        drop(slow);
        assert_eq!(used(&bodies), 15);
        drop(quick);
        assert_eq!(used(&bodies), 0);
    }
}
