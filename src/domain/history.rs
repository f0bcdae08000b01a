//! Questions about the history, newest first, and what they are answered with.

use std::fmt;

use super::{Event, Filter, Timestamp, Transition};

/// A span of time: from a moment on, and before another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TimeRange {
    /// The first moment in it.
    pub from: Timestamp,
    /// The first moment after it.
    pub to: Timestamp,
}

impl TimeRange {
    /// All of time.
    pub const ALL: Self =
        Self { from: Timestamp::from_millis(i64::MIN), to: Timestamp::from_millis(i64::MAX) };
}

/// Where a transition stands in the history: by its time, then by when it was recorded.
///
/// A silence is recorded late with its true time, so neither alone would be an order.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Cursor {
    /// When it happened.
    pub at: Timestamp,
    /// Which it is, in the order of recording.
    pub id: i64,
}

impl Cursor {
    /// Before every transition.
    pub const START: Self = Self { at: Timestamp::from_millis(i64::MIN), id: i64::MIN };

    /// Reads what [`fmt::Display`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (at, id) = text.split_once('.')?;
        let place = Self { at: Timestamp::from_millis(at.parse().ok()?), id: id.parse().ok()? };
        // One spelling only: a number has many.
        (place.to_string() == text).then_some(place)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at.millis(), self.id)
    }
}

/// What is asked of the history.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HistoryQuery {
    /// Which transitions.
    pub filter: Filter,
    /// Which events; empty is all.
    pub events: Vec<Event>,
    /// When.
    pub range: TimeRange,
    /// Only those that come after this one, in the order of the answer.
    pub after: Option<Cursor>,
    /// How many at the most.
    pub limit: usize,
}

impl HistoryQuery {
    /// Whether a transition in the range is asked for.
    #[must_use]
    pub fn matches(&self, transition: &Transition) -> bool {
        let Self { filter, events, range: _, after: _, limit: _ } = self;
        (events.is_empty() || events.contains(&transition.event)) && filter.matches(transition)
    }
}

/// A transition and where it stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HistoryItem {
    /// Where it stands.
    pub place: Cursor,
    /// What happened.
    pub transition: Transition,
}

/// Transitions, newest first.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct HistoryPage {
    /// The transitions.
    pub items: Vec<HistoryItem>,
    /// What to ask after for the next page; `None` if there is none.
    pub next: Option<Cursor>,
}

/// How many bytes of text a page has at the most, but for the last transition.
const MAX_PAGE_WEIGHT: usize = 8 * 1024 * 1024;

/// A page that is being filled.
#[derive(Debug)]
pub struct PageBuilder<'a> {
    query: &'a HistoryQuery,
    page: HistoryPage,
    weight: usize,
}

impl<'a> PageBuilder<'a> {
    /// Begins the page that a query asks for.
    #[must_use]
    pub fn new(query: &'a HistoryQuery) -> Self {
        Self { query, page: HistoryPage::default(), weight: 0 }
    }

    /// Takes the next transition of the range if the query asks for it. Returns whether the page
    /// is complete: it is once something is known to come after it.
    pub fn take(&mut self, item: HistoryItem) -> bool {
        if !self.query.matches(&item.transition) {
            return false;
        }
        if self.page.items.len() >= self.query.limit || self.weight >= MAX_PAGE_WEIGHT {
            self.page.next = self.page.items.last().map(|last| last.place);
            return true;
        }
        self.weight += item.transition.weight();
        self.page.items.push(item);
        false
    }

    /// Returns what was found up to a place, because there is no time to look further.
    #[must_use]
    pub fn stop(mut self, place: Cursor) -> HistoryPage {
        self.page.next = Some(place);
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
        let place = Cursor { at: Timestamp::from_millis(7), id: 3 };
        let page = PageBuilder::new(&query).stop(place);
        assert_eq!((page.items.len(), page.next), (0, Some(place)));
    }

    #[test]
    fn a_place_comes_back_as_it_was_written_and_nothing_else_is_one() {
        for (at, id) in [(0, 0), (1_776_767_535_000, 42), (-5, 7), (i64::MIN, i64::MAX)] {
            let place = Cursor { at: Timestamp::from_millis(at), id };
            assert_eq!(Cursor::parse(&place.to_string()), Some(place));
        }
        let too_large = "9223372036854775808.1";
        for text in ["", ".", "1", "1.", ".1", "+1.1", "01.1", "1.1.1", "1. 1", too_large] {
            assert_eq!(Cursor::parse(text), None, "{text:?}");
        }
    }
}
