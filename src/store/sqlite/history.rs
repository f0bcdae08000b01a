//! Reading the history, newest first.
//!
//! SQL only narrows: what passes is decided by [`HistoryQuery::matches`].

use std::collections::BTreeSet;
use std::fmt;
use std::pin::pin;
use std::time::Duration;

use futures_util::TryStreamExt;
use sqlx::Row;
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnection, SqliteRow};

use super::pairs::{self, Pairs};
use crate::domain::{
    DriftCount, Event, FileDelta, FileName, GitRevision, HistoryItem, HistoryPage, HistoryPlace,
    HistoryQuery, InvalidField, Key, KeyRef, PageInMaking, RunUrl, SyncStatus, Timestamp,
    Transition,
};
use crate::store::StoreError;

/// Of how many pairs the newest transitions are looked for one by one. If more pass a filter, it
/// is quicker to walk through all of the history.
const MOST_PAIRS: usize = 10_000;
/// How long matches are looked for before the page ends with those that were found.
const PATIENCE: Duration = Duration::from_secs(3);
/// How many transitions are read at once at the most.
const MOST_AT_ONCE: usize = 10_000;

/// The newest before a place, of all pairs.
const OF_ALL: &str = "\
    select id, at, repo, server, event, sync_status, drift_count, files_added, files_added_count, \
        files_removed, files_removed_count, report_revision, url \
    from transitions \
    where (at, id) < ($1, $2) and at >= $3 and event in (select value from json_each($5)) \
    order by at desc, id desc limit $4";

/// The newest before a place, of some pairs and states. For each of them SQLite stops at the first
/// that is older than all of the newest so far.
const OF_PAIRS: &str = "\
    with newest (at, id) as materialized ( \
        select transitions.at, transitions.id \
        from json_each($5) as pair cross join transitions \
        where repo = pair.value ->> 0 and server = pair.value ->> 1 \
            and state in (select value from json_each($6)) \
            and (transitions.at, transitions.id) < ($1, $2) and transitions.at >= $3 \
        order by transitions.at desc, transitions.id desc limit $4 \
    ) \
    select id, transitions.at, repo, server, event, sync_status, drift_count, files_added, \
        files_added_count, files_removed, files_removed_count, report_revision, url \
    from newest cross join transitions using (id) \
    order by newest.at desc, id desc";

/// Reads the page that a query asks for.
pub(super) async fn read(
    connection: &mut SqliteConnection,
    query: &HistoryQuery,
) -> Result<HistoryPage, StoreError> {
    let walk = Walk::of(connection, query).await?;
    let end = HistoryPlace { at: query.range.to, id: i64::MIN };
    let mut before = query.after.map_or(end, |after| after.min(end));
    let mut page = PageInMaking::new(query);
    let mut count = query.limit.saturating_add(1);
    let mut patience = pin!(tokio::time::sleep(PATIENCE));
    loop {
        count = count.min(MOST_AT_ONCE);
        let mut rows = walk.next(before, count).fetch(&mut *connection);
        let mut seen = 0;
        loop {
            let row = tokio::select! {
                row = rows.try_next() => row?,
                () = &mut patience => return Ok(page.stop(before)),
            };
            let Some(row) = row else { break };
            seen += 1;
            let item = decode(&row)?;
            before = item.place;
            if page.take(item) {
                return Ok(page.finish());
            }
        }
        if seen < count {
            return Ok(page.finish());
        }
        count *= 4;
    }
}

/// A way through the history that meets everything that a query asks for.
struct Walk {
    /// The pairs to look at, or `None` for all that there is.
    pairs: Option<String>,
    events: String,
    states: String,
    from: Timestamp,
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
        // Silences and ends are few, and side by side in the index by pairs.
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
        })
    }

    /// Asks for the newest transitions before a place.
    fn next(&self, before: HistoryPlace, count: usize) -> Query<'_, Sqlite, SqliteArguments> {
        let question = sqlx::query(if self.pairs.is_some() { OF_PAIRS } else { OF_ALL })
            .bind(before.at.millis())
            .bind(before.id)
            .bind(self.from.millis())
            .bind(i64::try_from(count).unwrap_or(i64::MAX));
        match &self.pairs {
            Some(pairs) => question.bind(pairs.as_str()).bind(self.states.as_str()),
            None => question.bind(self.events.as_str()),
        }
    }
}

/// Returns the states, as the schema numbers them, in which an event can leave an entry.
const fn states(event: Event) -> &'static [u8] {
    match event {
        Event::First | Event::Changed | Event::Fresh => &[0, 1],
        Event::Synced => &[0],
        Event::Drifted => &[1],
        Event::Stale => &[2],
        Event::Expired | Event::Deleted => &[3],
    }
}

/// Reads a row of `transitions`.
pub(super) fn decode(row: &SqliteRow) -> Result<HistoryItem, StoreError> {
    let Key { repo, server } = pairs::decode(row, "transitions")?;
    let at = Timestamp::from_millis(row.try_get("at")?);
    let event = Event::parse(row.try_get("event")?).ok_or_else(|| damaged("an unknown event"))?;
    let sync_status = SyncStatus::parse(row.try_get("sync_status")?)
        .ok_or_else(|| damaged("an unknown status"))?;
    let drift_count = u64::try_from(row.try_get::<i64, _>("drift_count")?).unwrap_or(u64::MAX);
    let transition = Transition {
        at,
        repo,
        server,
        event,
        sync_status,
        drift_count: DriftCount::parse(drift_count).map_err(invalid)?,
        files_added: files(row.try_get("files_added")?, row.try_get("files_added_count")?)?,
        files_removed: files(row.try_get("files_removed")?, row.try_get("files_removed_count")?)?,
        revision: optional(row.try_get("report_revision")?, GitRevision::parse)?,
        url: optional(row.try_get("url")?, RunUrl::parse)?,
    };
    Ok(HistoryItem { place: HistoryPlace { at, id: row.try_get("id")? }, transition })
}

fn files(names: &str, count: i64) -> Result<FileDelta, StoreError> {
    if names == "[]" {
        return Ok(FileDelta::default());
    }
    let names: Vec<String> = serde_json::from_str(names).map_err(damaged)?;
    let names = names.iter().map(|name| FileName::parse(name)).collect::<Result<_, _>>();
    Ok(FileDelta {
        names: names.map_err(invalid)?,
        count: usize::try_from(count).map_err(damaged)?,
    })
}

fn optional<T>(
    text: Option<&str>,
    parse: fn(&str) -> Result<T, InvalidField>,
) -> Result<Option<T>, StoreError> {
    text.map(parse).transpose().map_err(invalid)
}

fn invalid(error: InvalidField) -> StoreError {
    damaged(error)
}

fn damaged(reason: impl fmt::Display) -> StoreError {
    StoreError::Damaged { table: "transitions", reason: format!("{reason}") }
}
