//! What the boards show, compared with the database.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use gitops_status_server::board::Board;
use gitops_status_server::clock::Clock;
use gitops_status_server::domain::Entry;

use super::{Database, Rows, index};

/// The entries that a board shows, and their revision.
pub fn shown(board: &Board) -> (usize, Vec<Arc<Entry>>) {
    let snapshot = board.snapshot();
    let standings = snapshot.segments().iter().flat_map(|segment| segment.standings());
    let entries = standings.map(|standing| Arc::clone(standing.entry()));
    (index(snapshot.head().revision), entries.collect())
}

impl Database {
    /// Compares what each board shows with the database at that revision.
    pub fn look_at_boards(&mut self) {
        let mut wrong = Vec::new();
        for (number, board) in self.boards.iter().enumerate() {
            let Some(board) = board else { continue };
            let (revision, entries) = shown(board);
            let is_same = |rows: &Rows| rows.values().eq(&entries);
            if !self.ever.get(revision).is_some_and(|ever| ever.iter().any(is_same)) {
                wrong.push(format!("board {number} shows at revision {revision}: {entries:?}"));
            }
            let (before, forks) =
                std::mem::replace(&mut self.looked[number], (revision, self.model.forks));
            if revision < before && forks == self.model.forks && forks == 0 {
                wrong.push(format!("board {number} went back from {before} to {revision}"));
            }
        }
        for wrong in wrong {
            self.model.note_wrong(wrong);
        }
    }

    /// Asserts that a board knows that it can store.
    pub fn expect_storing(&mut self, board: usize) {
        if !self.boards[board].as_ref().is_some_and(Board::is_storing) {
            self.model.note_wrong(format!("board {board} thinks that it cannot store"));
        }
    }

    /// Asserts that a board shows the database as it is now.
    pub fn expect_latest(&mut self, board: usize) {
        let Some(shown) = self.boards[board].as_ref().map(shown) else { return };
        let rows = &self.commits[self.last()].rows;
        if shown.0 != self.last() || !rows.values().eq(&shown.1) {
            let wrong = format!("board {board} shows {shown:?}, the database has {rows:?}");
            self.model.note_wrong(wrong);
        }
    }

    /// Compares everything that was answered with everything that the database has in the end.
    pub fn compare(&mut self) {
        self.model.compare(&self.applied);
    }

    /// Asserts that of those of these requests that were told that there is no such entry, each was
    /// right at some time since it was sent.
    pub fn expect_no_entries(&mut self, requests: Range<usize>, ttl: Duration) {
        if self.model.forks > 0 {
            return;
        }
        let now = self.clock.read().wall;
        let mut wrong = Vec::new();
        for (request, key, since) in self.model.told_of_no_entry(requests) {
            let is_alive =
                |rows: &Rows| rows.get(key).is_some_and(|entry| entry.updated_at.plus(ttl) > now);
            let has_ended = self.ended.iter().any(|(at, ended)| *at > since && ended == key);
            if self.ever.iter().skip(since).flatten().all(is_alive) && !has_ended {
                wrong.push(format!("request {request} was told of no entry {key:?}"));
            }
        }
        for wrong in wrong {
            self.model.note_wrong(wrong);
        }
    }

    /// Returns how many entries have not expired, and how many rows are left.
    pub fn rows(&self) -> (usize, usize) {
        let rows = &self.commits[self.last()].rows;
        let lives = |entry: &&Arc<Entry>| entry.recorded.expired_at.is_none();
        (rows.values().filter(lives).count(), rows.len())
    }
}
