//! The queue of lines for the thread that writes them.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::mutex::locked;

/// The most bytes that wait. The writing thread holds as many again at most.
const CAPACITY: usize = 1024 * 1024;

/// A bounded queue of lines. Adding a line never blocks.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    has_changed: Condvar,
    lines_dropped: AtomicU64,
}

#[derive(Debug)]
struct Waiting {
    lines: Vec<u8>,
    /// The number of lines that were dropped after these.
    dropped: u64,
    may_drop: bool,
    /// Whether all lines that were taken out have been written.
    is_written: bool,
}

impl Queue {
    pub(super) const fn new() -> Self {
        let waiting = Waiting { lines: Vec::new(), dropped: 0, may_drop: false, is_written: true };
        Self {
            waiting: Mutex::new(waiting),
            has_changed: Condvar::new(),
            lines_dropped: AtomicU64::new(0),
        }
    }

    /// Sets whether lines beyond the bound are dropped.
    pub(super) fn may_drop(&self, may_drop: bool) {
        self.waiting().may_drop = may_drop;
    }

    /// Adds a line, or drops it.
    fn push(&self, line: &[u8]) {
        let mut waiting = self.waiting();
        let has_room = waiting.lines.len() + line.len() <= CAPACITY;
        // A short line that fits after a dropped one would hide the gap.
        if waiting.may_drop && (waiting.dropped > 0 || !has_room) {
            waiting.dropped += 1;
            drop(waiting);
            self.count_dropped(1);
            return;
        }
        waiting.lines.extend_from_slice(line);
        drop(waiting);
        self.has_changed.notify_all();
    }

    /// Counts lines that are lost.
    pub(super) fn count_dropped(&self, lines: u64) {
        self.lines_dropped.fetch_add(lines, Ordering::Relaxed);
    }

    /// Returns the number of lost lines.
    pub(super) fn lines_dropped(&self) -> u64 {
        self.lines_dropped.load(Ordering::Relaxed)
    }

    /// Waits for lines and takes them all out. Call it once the lines of the last call are written.
    /// Returns the number of lines that were dropped after them.
    pub(super) fn take(&self, lines: &mut Vec<u8>) -> u64 {
        lines.clear();
        let mut waiting = self.waiting();
        waiting.is_written = true;
        self.has_changed.notify_all();
        let mut waiting = self
            .has_changed
            .wait_while(waiting, |waiting| waiting.lines.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut waiting.lines, lines);
        waiting.is_written = false;
        std::mem::take(&mut waiting.dropped)
    }

    /// Waits until all lines are written, for at most `limit`.
    pub(super) fn wait_until_written(&self, limit: Duration) {
        let is_busy = |waiting: &mut Waiting| !waiting.is_written || !waiting.lines.is_empty();
        // The program ends either way, so whether time ran out does not matter.
        drop(self.has_changed.wait_timeout_while(self.waiting(), limit, is_busy));
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        locked(&self.waiting)
    }
}

/// For the logger, which writes each line with one call.
impl Write for &Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_dropped_and_counted_while_the_program_serves() {
        let (queue, mut lines) = (Queue::new(), Vec::new());
        let long = vec![b'x'; CAPACITY];
        queue.push(&long);
        queue.push(b"start\n");
        assert_eq!(queue.take(&mut lines), 0, "nothing is dropped before");
        queue.may_drop(true);
        for line in [b"1\n", &*long, b"2\n"] {
            queue.push(line);
        }
        assert_eq!(queue.take(&mut lines), 2, "all after the first that did not fit");
        assert_eq!(lines, b"1\n");
        queue.push(b"3\n");
        assert_eq!((queue.take(&mut lines), lines.as_slice()), (0, &b"3\n"[..]));
        queue.push(&long);
        queue.may_drop(false);
        queue.push(b"end\n");
        queue.take(&mut lines);
        assert!(lines.ends_with(b"end\n"));
        assert_eq!(queue.lines_dropped(), 2);
    }
}
