//! One memory bound for all request bodies that are being received and parsed.
//!
//! A byte counts once it has arrived; an announced length reserves nothing. When the memory is used
//! up, the body that has waited longest for its client is given up: clients that send slowly, or
//! stop sending, must not keep out those that send at once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

use crate::mutex::locked;

/// How many bytes all bodies together may take.
const CAPACITY: usize = 256 * 1024 * 1024;

/// The memory of all bodies; clones share it.
#[derive(Clone, Debug)]
pub struct Bodies(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    capacity: usize,
    used: AtomicUsize,
    waiting: Mutex<Waiting>,
}

/// The bodies that wait for their clients, by the order in which they began to wait.
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

/// The memory of one body; freed when this is dropped.
#[derive(Debug)]
pub(super) struct Share {
    bodies: Bodies,
    claim: Claim,
}

#[derive(Debug)]
enum Claim {
    /// The body is complete or has not had to wait, and is not given up.
    Firm { bytes: usize },
    /// The body waits for its client and may have been given up.
    Revocable { number: u64, given_up: Arc<Notify> },
}

/// There is no memory for this body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct NoRoom;

impl Default for Bodies {
    fn default() -> Self {
        Self::with_capacity(CAPACITY)
    }
}

impl Bodies {
    /// Makes a memory of this many bytes for all bodies.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        let waiting = Mutex::default();
        Self(Arc::new(Inner { capacity, used: AtomicUsize::new(0), waiting }))
    }

    /// Begins a body without bytes.
    pub(super) fn begin(&self) -> Share {
        Share { bodies: self.clone(), claim: Claim::Firm { bytes: 0 } }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        locked(&self.0.waiting)
    }

    /// Reserves memory. If there is none, gives up bodies that have waited longer than the one of this
    /// number.
    fn reserve(&self, bytes: usize, number: Option<u64>) -> Result<(), NoRoom> {
        let enlarged = |used: usize| used.checked_add(bytes).filter(|&sum| sum <= self.0.capacity);
        while self.0.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, enlarged).is_err() {
            let mut waiting = self.waiting();
            let oldest = waiting.bodies.first_entry().ok_or(NoRoom)?;
            if number.is_some_and(|number| number <= *oldest.key()) {
                return Err(NoRoom);
            }
            // The memory itself is free once the task of that body has run again.
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
    /// Reserves more memory.
    pub(super) fn grow(&mut self, more: usize) -> Result<(), NoRoom> {
        match &mut self.claim {
            Claim::Firm { bytes } => {
                self.bodies.reserve(more, None)?;
                *bytes += more;
            }
            Claim::Revocable { number, .. } => {
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

    /// Waits for more of the body, unless the body is given up first.
    pub(super) async fn wait<T>(&mut self, more: impl Future<Output = T>) -> Result<T, NoRoom> {
        let given_up = self.begin_to_wait();
        tokio::select! {
            biased;
            () = given_up.notified() => Err(NoRoom),
            more = more => Ok(more),
        }
    }

    fn begin_to_wait(&mut self) -> Arc<Notify> {
        match &self.claim {
            Claim::Revocable { given_up, .. } => Arc::clone(given_up),
            Claim::Firm { bytes } => {
                let given_up = Arc::new(Notify::new());
                let body = Unfinished { bytes: *bytes, given_up: Arc::clone(&given_up) };
                let mut waiting = self.bodies.waiting();
                let number = waiting.next_number;
                waiting.next_number += 1;
                waiting.bodies.insert(number, body);
                drop(waiting);
                self.claim = Claim::Revocable { number, given_up: Arc::clone(&given_up) };
                given_up
            }
        }
    }

    /// Notes that the body is complete. From now on it is not given up.
    pub(super) fn complete(&mut self) -> Result<(), NoRoom> {
        if let Claim::Revocable { number, .. } = self.claim {
            let body = self.bodies.waiting().bodies.remove(&number).ok_or(NoRoom)?;
            self.claim = Claim::Firm { bytes: body.bytes };
        }
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        // If the body was given up, its memory is free already.
        self.complete().ok();
        if let Claim::Firm { bytes } = self.claim {
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

    /// Begins a body of this size that waits for its client.
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
