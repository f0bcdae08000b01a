//! Reading the history, newest first.
//!
//! SQL only narrows; [`HistoryQuery::matches`] decides what passes.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::TryStreamExt;
use sqlx::Row;
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnection, SqliteRow};

use super::pairs::{self, Pairs};
use super::sql::transition_as_json;
use crate::domain::{
    Cursor, Event, HistoryItem, HistoryPage, HistoryQuery, KeyRef, PageBuilder, Timestamp,
};
use crate::store::{StoreError, record};

/// The most pairs whose newest transitions are sought pair by pair. If more pass a filter, a walk
/// through the whole history is faster.
const MOST_PAIRS: usize = 10_000;
/// The time after which a page ends with the matches found so far.
const PATIENCE: Duration = Duration::from_secs(3);
/// The most transitions read by one statement.
const MOST_AT_ONCE: usize = 10_000;

/// The most transitions that SQLite walks through in one statement where few of them may match.
/// This takes some tens of milliseconds. A page can end between two statements.
const WINDOW: usize = 50_000;

/// The newest transitions of all pairs between two cursors.
const OF_ALL: &str = concat!(
    "select ",
    transition_as_json!(),
    " as transition \
    from transitions \
    where (at, id) < ($1, $2) and at >= $3 and event in (select value from json_each($5)) \
        and (at, id) >= ($6, $7) \
    order by at desc, id desc limit $4"
);

/// The cursor that is some transitions before another.
const BACK: &str = "\
    select at, id from transitions where (at, id) < ($1, $2) and at >= $3 \
    order by at desc, id desc limit 1 offset $4";

/// The newest transitions of some pairs and states before a cursor. For each pair and state, SQLite
/// stops at the first that is older than the newest found so far.
const OF_PAIRS: &str = concat!(
    "with newest (moment, id) as materialized ( \
        select transitions.at, transitions.id \
        from json_each($5) as pair cross join transitions \
        where repo = pair.value ->> 0 and server = pair.value ->> 1 \
            and state in (select value from json_each($6)) \
            and (transitions.at, transitions.id) < ($1, $2) and transitions.at >= $3 \
        order by transitions.at desc, transitions.id desc limit $4 \
    ) \
    select ",
    transition_as_json!(),
    " as transition from newest cross join transitions using (id) order by moment desc, id desc"
);

/// Reads the page that a query asks for.
pub(super) async fn read(
    connection: &mut SqliteConnection,
    query: &HistoryQuery,
) -> Result<HistoryPage, StoreError> {
    read_within(connection, query, WINDOW, tokio::time::sleep(PATIENCE)).await
}

/// Reads a page, or as much of it as the time allows. An error if that is nothing.
async fn read_within(
    connection: &mut SqliteConnection,
    query: &HistoryQuery,
    window: usize,
    time: impl Future<Output = ()>,
) -> Result<HistoryPage, StoreError> {
    let mut time = pin!(time);
    let walk = Walk::of(connection, query).await?;
    let end = Cursor { at: query.range.to, id: i64::MIN };
    let start = query.after.map_or(end, |after| after.min(end));
    let mut before = start;
    let mut page = PageBuilder::new(query);
    let mut count = query.limit.saturating_add(1);
    loop {
        let back = tokio::select! {
            biased;
            () = &mut time => return stop(page, start, before),
            back = walk.back(connection, before, window) => back?,
        };
        count = count.min(MOST_AT_ONCE);
        let mut rows = walk.next(before, back, count).fetch(&mut *connection);
        let mut seen = 0;
        loop {
            let row = tokio::select! {
                biased;
                () = &mut time => return stop(page, start, before),
                row = rows.try_next() => row?,
            };
            let Some(row) = row else { break };
            seen += 1;
            let item = decode(&row)?;
            before = item.cursor;
            if page.take(item) {
                return Ok(page.finish());
            }
        }
        match back {
            _ if seen == count => count *= 4,
            Some(back) => before = back,
            None => return Ok(page.finish()),
        }
    }
}

/// Ends a page whose time is over. A page that ended where it began would be requested again and
/// again, so that is an error.
fn stop(page: PageBuilder<'_>, start: Cursor, before: Cursor) -> Result<HistoryPage, StoreError> {
    if before == start { Err(StoreError::TooSlow(PATIENCE)) } else { Ok(page.stop(before)) }
}

/// A walk through the history that meets every match of a query.
struct Walk {
    /// The pairs to read, or `None` for all.
    pairs: Option<String>,
    events: String,
    states: String,
    from: Timestamp,
    /// Whether the query leaves out some events.
    skips_events: bool,
}

impl Walk {
    async fn of(
        connection: &mut SqliteConnection,
        query: &HistoryQuery,
    ) -> Result<Self, StoreError> {
        let events = if query.events.is_empty() { &Event::ALL } else { query.events.as_slice() };
        let states: BTreeSet<u8> =
            events.iter().flat_map(|event| states(*event)).copied().collect();
        let filter = &query.filter;
        let names_some = !filter.repo.is_any() || !filter.server.is_any();
        // Silences and ends are few, and adjacent in the index by pairs.
        let pairs = if names_some || states.iter().all(|state| *state >= 2) {
            let passes = |key: KeyRef<'_>| filter.names_match(key);
            pairs::find(connection, &filter.repo, MOST_PAIRS, &passes).await?
        } else {
            Pairs::TooMany
        };
        Ok(Self {
            pairs: match pairs {
                Pairs::Few(keys) => Some(pairs::parameter(&keys)?),
                Pairs::TooMany => None,
            },
            events: pairs::json(&events.iter().map(|event| event.as_str()).collect::<Vec<_>>())?,
            states: pairs::json(&states)?,
            from: query.range.from,
            skips_events: !query.events.is_empty(),
        })
    }

    /// Returns the cursor of the transition that is `window` back, if the next match could be far
    /// away and that many are left.
    async fn back(
        &self,
        connection: &mut SqliteConnection,
        before: Cursor,
        window: usize,
    ) -> Result<Option<Cursor>, StoreError> {
        if self.pairs.is_some() || !self.skips_events {
            return Ok(None);
        }
        let row = sqlx::query(BACK)
            .bind(before.at.millis())
            .bind(before.id)
            .bind(self.from.millis())
            .bind(i64::try_from(window).unwrap_or(i64::MAX))
            .fetch_optional(connection)
            .await?;
        let place = |row: SqliteRow| {
            let at = Timestamp::from_millis(row.try_get("at")?);
            Ok(Cursor { at, id: row.try_get("id")? })
        };
        row.map(place).transpose()
    }

    /// Returns the query for the newest transitions between two cursors.
    fn next(
        &self,
        before: Cursor,
        back: Option<Cursor>,
        count: usize,
    ) -> Query<'_, Sqlite, SqliteArguments> {
        let back = back.unwrap_or(Cursor::START);
        let question = sqlx::query(if self.pairs.is_some() { OF_PAIRS } else { OF_ALL })
            .bind(before.at.millis())
            .bind(before.id)
            .bind(self.from.max(back.at).millis())
            .bind(i64::try_from(count).unwrap_or(i64::MAX));
        match &self.pairs {
            Some(pairs) => question.bind(pairs.as_str()).bind(self.states.as_str()),
            None => question.bind(self.events.as_str()).bind(back.at.millis()).bind(back.id),
        }
    }
}

/// Returns the states in which an event can leave an entry, as the schema numbers them.
const fn states(event: Event) -> &'static [u8] {
    match event {
        Event::First | Event::Changed | Event::Fresh => &[0, 1],
        Event::Synced => &[0],
        Event::Drifted => &[1],
        Event::Stale => &[2],
        Event::Expired | Event::Deleted => &[3],
    }
}

/// Reads the transition of a row.
pub(super) fn decode(row: &SqliteRow) -> Result<HistoryItem, StoreError> {
    let (id, transition) = record::read_transition(row.try_get("transition")?)?;
    Ok(HistoryItem { cursor: Cursor { at: transition.at, id }, transition })
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use sqlx::ConnectOptions;
    use sqlx::sqlite::SqliteConnectOptions;

    use super::*;
    use crate::domain::{Filter, TimeRange};
    use crate::store::sqlite::SqliteStore;

    /// Two transitions a millisecond, of which the oldest is the only one that is asked for.
    const HISTORY: &str = "\
        with recursive number (n) as (select 1 union all select n + 1 from number where n < 1000) \
        insert into transitions (id, at, revision, repo, server, event, sync_status, drift_count, \
            files_added, files_added_count, files_removed, files_removed_count) \
        select n, n / 2, 1, 'r', 's', iif(n = 1, 'first', 'changed'), 'SYNCED', 0, '[]', 0, '[]', \
            0 from number";

    #[actix_web::test]
    async fn a_page_whose_time_is_over_has_got_further_or_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        SqliteStore::open(&path).await.unwrap();
        let mut connection = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
        sqlx::raw_sql(HISTORY).execute(&mut connection).await.unwrap();
        let mut query = HistoryQuery {
            filter: Filter::default(),
            events: vec![Event::First],
            range: TimeRange::ALL,
            after: None,
            limit: 10,
        };
        let (mut found, mut looks) = (0, 0);
        loop {
            let mut left = looks;
            let time = std::future::poll_fn(|_| {
                let is_over = left == 0;
                left -= usize::from(!is_over);
                if is_over { Poll::Ready(()) } else { Poll::Pending }
            });
            match read_within(&mut connection, &query, 90, time).await {
                Ok(page) => {
                    found += page.items.len();
                    let Some(next) = page.next else { break };
                    let before = query.after.replace(next);
                    assert!(before.is_none_or(|before| next < before), "{before:?} {next:?}");
                }
                Err(StoreError::TooSlow(_)) => looks += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert!(looks > 0, "its time was never over");
        assert_eq!(found, 1);
    }
}
