//! Reading the history, newest first.
//!
//! The database only narrows; [`HistoryQuery::matches`] decides what passes.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;

use super::records::{Pairs, Records, Stretch};
use crate::domain::{
    Cursor, Event, HistoryItem, HistoryPage, HistoryQuery, KeyRef, PageBuilder, Timestamp,
};
use crate::store::StoreError;

/// The time after which a page ends with the matches found so far.
const PATIENCE: Duration = Duration::from_secs(3);
/// The most transitions read by one statement.
const MOST_AT_ONCE: usize = 10_000;

/// The most transitions that a database walks through in one statement where few of them may match.
/// This takes some tens of milliseconds. A page can end between two statements.
const WINDOW: usize = 50_000;

/// Reads the page that a query asks for.
pub(in crate::store) async fn read_page<R: Records>(
    records: &mut R,
    query: &HistoryQuery,
) -> Result<HistoryPage, StoreError> {
    read_within(records, query, WINDOW, tokio::time::sleep(PATIENCE)).await
}

/// Reads a page, or as much of it as the time allows. An error if that is nothing.
pub(in crate::store) async fn read_within<R: Records>(
    records: &mut R,
    query: &HistoryQuery,
    window: usize,
    time: impl Future<Output = ()>,
) -> Result<HistoryPage, StoreError> {
    let mut time = pin!(time);
    let walk = Walk::of(records, query).await?;
    let end = Cursor { at: query.range.to, id: i64::MIN };
    let start = query.after.map_or(end, |after| after.min(end));
    let mut before = start;
    let mut page = PageBuilder::new(query);
    let mut count = query.limit.saturating_add(1);
    loop {
        let back = tokio::select! {
            biased;
            () = &mut time => {
                records.give_up();
                return stop(page, start, before);
            }
            back = walk.back(records, before, window) => back?,
        };
        count = count.min(MOST_AT_ONCE);
        let items = records.newest(walk.next(before, back, count));
        match take_all(items, &mut page, &mut before, time.as_mut()).await? {
            Taken::Full => return Ok(page.finish()),
            Taken::OutOfTime => {
                records.give_up();
                return stop(page, start, before);
            }
            Taken::All(seen) if seen == count => count *= 4,
            Taken::All(_) => match back {
                Some(back) => before = back,
                None => return Ok(page.finish()),
            },
        }
    }
}

/// How far a page has got with a part of the history.
enum Taken {
    /// It has taken this many, which are all.
    All(usize),
    Full,
    OutOfTime,
}

/// Lets a page take transitions, and notes the last one.
async fn take_all(
    mut items: BoxStream<'_, Result<HistoryItem, StoreError>>,
    page: &mut PageBuilder<'_>,
    last: &mut Cursor,
    mut time: Pin<&mut impl Future<Output = ()>>,
) -> Result<Taken, StoreError> {
    let mut seen = 0;
    loop {
        let item = tokio::select! {
            biased;
            () = &mut time => return Ok(Taken::OutOfTime),
            item = items.try_next() => item?,
        };
        let Some(item) = item else { return Ok(Taken::All(seen)) };
        seen += 1;
        *last = item.cursor;
        if page.take(item) {
            return Ok(Taken::Full);
        }
    }
}

/// Ends a page whose time is over. A page that ended where it began would be requested again and
/// again, so that is an error.
fn stop(page: PageBuilder<'_>, start: Cursor, before: Cursor) -> Result<HistoryPage, StoreError> {
    if before == start { Err(StoreError::TooSlow(PATIENCE)) } else { Ok(page.stop(before)) }
}

/// A walk through the history that meets every match of a query.
struct Walk<P> {
    /// The pairs to read, or `None` for all.
    pairs: Option<P>,
    events: Vec<&'static str>,
    states: Vec<u8>,
    from: Timestamp,
    /// Whether the query leaves out some events.
    skips_events: bool,
}

impl<P> Walk<P> {
    async fn of<R: Records<Pairs = P>>(
        records: &mut R,
        query: &HistoryQuery,
    ) -> Result<Self, StoreError> {
        let events = if query.events.is_empty() { &Event::ALL } else { query.events.as_slice() };
        let states: BTreeSet<u8> =
            events.iter().flat_map(|event| states(*event)).copied().collect();
        let states: Vec<u8> = states.into_iter().collect();
        let filter = &query.filter;
        let names_some = !filter.repo.is_any() || !filter.server.is_any();
        // Silences and ends are few, and adjacent in the index by pairs.
        let pairs = if names_some || states.iter().all(|state| *state >= 2) {
            let passes = |key: KeyRef<'_>| filter.names_match(key);
            records.find_pairs(&filter.repo, R::most_pairs(&states), &passes).await?
        } else {
            Pairs::TooMany
        };
        Ok(Self {
            pairs: match pairs {
                Pairs::Few(keys) => Some(R::pairs_of(&keys)?),
                Pairs::TooMany => None,
            },
            events: events.iter().map(|event| event.as_str()).collect(),
            states,
            from: query.range.from,
            skips_events: !query.events.is_empty(),
        })
    }

    /// Returns the cursor of the transition that is `window` back, if the next match could be far
    /// away and that many are left.
    async fn back<R: Records<Pairs = P>>(
        &self,
        records: &mut R,
        before: Cursor,
        window: usize,
    ) -> Result<Option<Cursor>, StoreError> {
        if self.pairs.is_some() || !self.skips_events {
            return Ok(None);
        }
        records.back(before, self.from, window).await
    }

    /// Returns the newest transitions between two cursors.
    fn next(&self, before: Cursor, back: Option<Cursor>, count: usize) -> Stretch<'_, P> {
        let since = back.unwrap_or(Cursor::START);
        Stretch {
            pairs: self.pairs.as_ref(),
            states: &self.states,
            events: &self.events,
            before,
            since,
            from: self.from.max(since.at),
            count,
        }
    }
}

/// Returns the states in which an event can leave an entry, as the schemas number them.
const fn states(event: Event) -> &'static [u8] {
    match event {
        Event::First | Event::Changed | Event::Fresh => &[0, 1],
        Event::Synced => &[0],
        Event::Drifted => &[1],
        Event::Stale => &[2],
        Event::Expired | Event::Deleted => &[3],
    }
}
