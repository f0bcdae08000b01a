//! Queries of the history, and pages of transitions, newest first.

use std::fmt;

use super::{Event, Filter, Timestamp, Transition};

/// A range of time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TimeRange {
    /// The first moment in the range.
    pub from: Timestamp,
    /// The first moment after the range.
    pub to: Timestamp,
}

impl TimeRange {
    /// All of time.
    pub const ALL: Self =
        Self { from: Timestamp::from_millis(i64::MIN), to: Timestamp::from_millis(i64::MAX) };
}

/// A position in the history, which is ordered by time, then by the order of recording.
///
/// Time alone is not unique, and a silence is recorded late, with its true time.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Cursor {
    /// The time of the transition.
    pub at: Timestamp,
    /// Its number in the order of recording.
    pub id: i64,
}

impl Cursor {
    /// The position before every transition.
    pub const START: Self = Self { at: Timestamp::from_millis(i64::MIN), id: i64::MIN };

    /// Parses what [`fmt::Display`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (at, id) = text.split_once('.')?;
        let cursor = Self { at: Timestamp::from_millis(at.parse().ok()?), id: id.parse().ok()? };
        // Accept one spelling only, such as `1` but not `+1` or `01`.
        (cursor.to_string() == text).then_some(cursor)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at.millis(), self.id)
    }
}

/// A query of the history.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HistoryQuery {
    /// The transitions.
    pub filter: Filter,
    /// The events; empty is all.
    pub events: Vec<Event>,
    /// The time range.
    pub range: TimeRange,
    /// Return only what follows this position in the order of the answer.
    pub after: Option<Cursor>,
    /// The maximum number of transitions.
    pub limit: usize,
}

impl HistoryQuery {
    /// Whether a transition in the range matches.
    #[must_use]
    pub fn matches(&self, transition: &Transition) -> bool {
        let Self { filter, events, range: _, after: _, limit: _ } = self;
        (events.is_empty() || events.contains(&transition.event)) && filter.matches(transition)
    }
}

/// A transition and its position.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HistoryItem {
    /// Its position.
    pub cursor: Cursor,
    /// The transition.
    pub transition: Transition,
}

/// Transitions, newest first.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct HistoryPage {
    /// The transitions.
    pub items: Vec<HistoryItem>,
    /// Where the next page continues; `None` if this is the last page.
    pub next: Option<Cursor>,
}

/// The maximum weight of a page; its last transition may exceed it.
const MAX_PAGE_WEIGHT: usize = 8 * 1024 * 1024;

/// Builds a page.
#[derive(Debug)]
pub struct PageBuilder<'a> {
    query: &'a HistoryQuery,
    page: HistoryPage,
    weight: usize,
}

impl<'a> PageBuilder<'a> {
    /// Starts the page of a query.
    #[must_use]
    pub fn new(query: &'a HistoryQuery) -> Self {
        Self { query, page: HistoryPage::default(), weight: 0 }
    }

    /// Adds the next transition of the range if it matches. Returns whether the page is complete: it
    /// is when the page is full and another transition matches.
    pub fn take(&mut self, item: HistoryItem) -> bool {
        if !self.query.matches(&item.transition) {
            return false;
        }
        if self.page.items.len() >= self.query.limit || self.weight >= MAX_PAGE_WEIGHT {
            self.page.next = self.page.items.last().map(|last| last.cursor);
            return true;
        }
        self.weight += item.transition.weight();
        self.page.items.push(item);
        false
    }

    /// Returns what was found up to a position, when there is no time to look further.
    #[must_use]
    pub fn stop(mut self, cursor: Cursor) -> HistoryPage {
        self.page.next = Some(cursor);
        self.page
    }

    /// Returns the page.
    #[must_use]
    pub fn finish(self) -> HistoryPage {
        self.page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_is_stopped_goes_on_where_it_has_looked() {
        let query = HistoryQuery {
            filter: Filter::default(),
            events: Vec::new(),
            range: TimeRange { from: Timestamp::from_millis(0), to: Timestamp::NEVER },
            after: None,
            limit: 1,
        };
        let cursor = Cursor { at: Timestamp::from_millis(7), id: 3 };
        let page = PageBuilder::new(&query).stop(cursor);
        assert_eq!((page.items.len(), page.next), (0, Some(cursor)));
    }

    #[test]
    fn a_cursor_comes_back_as_it_was_written_and_nothing_else_is_one() {
        for (at, id) in [(0, 0), (1_776_767_535_000, 42), (-5, 7), (i64::MIN, i64::MAX)] {
            let cursor = Cursor { at: Timestamp::from_millis(at), id };
            assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        }
        let too_large = "9223372036854775808.1";
        for text in ["", ".", "1", "1.", ".1", "+1.1", "01.1", "1.1.1", "1. 1", too_large] {
            assert_eq!(Cursor::parse(text), None, "{text:?}");
        }
    }
}
