//! The queue of updates: bounded in number and in bytes, so that a slow disk cannot fill memory.

use std::sync::Arc;

use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::{Refusal, Removal};
use crate::domain::{Key, Omitted, Report};
use crate::metrics::QueueLoad;

/// How many commands may wait.
const CAPACITY: usize = 8192;
/// How many bytes of commands may wait.
const CAPACITY_BYTES: usize = 64 * 1024 * 1024;

/// What the writer is asked to do, and where it answers.
#[derive(Debug)]
pub(super) enum Command {
    Record { report: Report, answer: oneshot::Sender<Result<Omitted, Refusal>> },
    Remove { key: Key, answer: oneshot::Sender<Result<Removal, Refusal>> },
}

impl Command {
    /// Answers that it was not stored.
    pub(super) fn refuse(self) {
        match self {
            Self::Record { report: _, answer } => {
                answer.send(Err(Refusal::NotStored)).ok();
            }
            Self::Remove { key: _, answer } => {
                answer.send(Err(Refusal::NotStored)).ok();
            }
        }
    }
}

/// An answer that is due once the batch is committed.
pub(super) enum Outcome {
    Recorded(oneshot::Sender<Result<Omitted, Refusal>>, Result<Omitted, Refusal>),
    Removed(oneshot::Sender<Result<Removal, Refusal>>, Removal),
}

impl Outcome {
    /// Gives the answer. The client may have gone away; that changes nothing.
    pub(super) fn answer(self, is_stored: bool) {
        match self {
            Self::Recorded(to, outcome) => {
                let stored =
                    |omitted| if is_stored { Ok(omitted) } else { Err(Refusal::NotStored) };
                to.send(outcome.and_then(stored)).ok();
            }
            Self::Removed(to, removal) => {
                to.send(if is_stored { Ok(removal) } else { Err(Refusal::NotStored) }).ok();
            }
        }
    }
}

/// A command and its share of the queue's bytes, which is free again when that is dropped: not
/// before the commit has ended, since a batch that hangs in it is in memory as well.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) command: Command,
    pub(super) weight: usize,
    pub(super) share: OwnedSemaphorePermit,
}

/// The end where commands go in.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    sender: Sender<Queued>,
    bytes: Arc<Semaphore>,
}

/// Makes a queue and the end where commands come out.
pub(super) fn queue() -> (Queue, Receiver<Queued>) {
    let (sender, receiver) = mpsc::channel(CAPACITY);
    (Queue { sender, bytes: Arc::new(Semaphore::new(CAPACITY_BYTES)) }, receiver)
}

impl Queue {
    /// Returns how full it is.
    pub(super) fn load(&self) -> QueueLoad {
        QueueLoad {
            depth: self.sender.max_capacity() - self.sender.capacity(),
            capacity: self.sender.max_capacity(),
            bytes: CAPACITY_BYTES - self.bytes.available_permits(),
            capacity_bytes: CAPACITY_BYTES,
        }
    }

    /// Puts a command in, or refuses at once, and waits for the answer.
    pub(super) async fn send<T>(
        &self,
        weight: usize,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Refusal> {
        let permits = u32::try_from(weight).map_err(|_| Refusal::Busy)?;
        let bytes = Arc::clone(&self.bytes);
        let bytes = bytes.try_acquire_many_owned(permits).map_err(|_| Refusal::Busy)?;
        let (sender, receiver) = oneshot::channel();
        let queued = Queued { command: command(sender), weight, share: bytes };
        self.sender.try_send(queued).map_err(|_| Refusal::Busy)?;
        // An answer that never comes means that the writer has died with the command.
        receiver.await.map_err(|_| Refusal::NotStored)
    }
}
