//! What the reporters have sent, and what they were answered.

use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use super::checker::{Break, Kind};

/// What a report or a removal does to its pair.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Deed {
    /// Its count and its file have this number.
    Report(u32),
    Remove,
}

/// Something that a reporter does until it is answered.
#[derive(Clone, Debug)]
pub struct Op {
    pub reporter: usize,
    pub server: String,
    pub deed: Deed,
    /// How often it was sent.
    pub attempts: usize,
    /// Whether an attempt failed that may have been applied.
    pub is_unsure: bool,
    /// Whether an attempt may still be applied, however late: its reporter has given up waiting.
    pub may_come_late: bool,
    /// The status of the answer that ended it, and when it came.
    pub answer: Option<(u16, Instant)>,
}

impl Op {
    pub fn is_acknowledged(&self) -> bool {
        matches!(self.answer, Some((200, _)))
    }

    pub fn was_acknowledged_before(&self, moment: Instant) -> bool {
        self.is_acknowledged() && self.answer.is_some_and(|(_, at)| at < moment)
    }
}

/// All of it, in the order in which it was first sent; the number of an [`Op`] is its place.
#[derive(Default)]
pub struct Ledger {
    ops: Mutex<Vec<Op>>,
    /// Breaks that were seen on the way.
    pub breaks: Mutex<Vec<Break>>,
}

impl Ledger {
    /// Begins something, whose deed may have its number.
    pub fn begin(
        &self,
        reporter: usize,
        server: &str,
        deed: impl FnOnce(u32) -> Deed,
    ) -> (u32, Deed) {
        let mut ops = self.ops();
        let number = u32::try_from(ops.len()).unwrap();
        let deed = deed(number);
        let (server, attempts) = (server.to_owned(), 0);
        let (is_unsure, may_come_late, answer) = (false, false, None);
        ops.push(Op { reporter, server, deed, attempts, is_unsure, may_come_late, answer });
        (number, deed)
    }

    /// Changes what is known of something.
    pub fn note<T>(&self, number: u32, change: impl FnOnce(&mut Op) -> T) -> T {
        change(&mut self.ops()[number as usize])
    }

    pub fn note_break(&self, kind: Kind, what: String) {
        self.breaks.lock().unwrap().push(Break { kind, what });
    }

    pub fn acknowledged(&self) -> usize {
        self.ops().iter().filter(|op| op.is_acknowledged()).count()
    }

    pub fn ops(&self) -> MutexGuard<'_, Vec<Op>> {
        self.ops.lock().unwrap()
    }
}
