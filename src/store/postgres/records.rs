//! The history in a PostgreSQL database.

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::feed::key;
use super::history_sql as sql;
use super::sql::TRANSITION_ID;
use crate::domain::{
    Condition, Cursor, HistoryItem, Key, KeyRef, LastSeen, Names, TimeRange, Timestamp,
};
use crate::store::history::{FoundPairs, Pairs, Records, Stretch, Take, condition_of, for_each};
use crate::store::record::StoredTransition;
use crate::store::{KeyPredicate, StoreError};

/// The most pairs that one statement finds: a server sends all that it finds, though they may be too
/// many.
const PAIRS_AT_ONCE: usize = 10_000;
/// How many bytes of an answer are read to its end though nobody needs them. More are given up with
/// the connection.
const MOST_LEFT: usize = 8 * 1024 * 1024;

/// The history as a connection reads it.
pub(super) struct PostgresRecords<'c> {
    connection: &'c mut PgConnection,
    stretch: Received,
    is_given_up: bool,
}

/// How much of a stretch of the history has been received.
#[derive(Default)]
struct Received {
    wanted: usize,
    count: usize,
    weight: usize,
}

impl<'c> PostgresRecords<'c> {
    pub(super) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection, stretch: Received::default(), is_given_up: false }
    }

    /// Whether the server may still work at an answer, or send much of it, that nobody needs.
    pub(super) fn has_much_left(&self) -> bool {
        if self.is_given_up {
            return true;
        }
        let Received { wanted, count, weight } = self.stretch;
        let each = weight.checked_div(count).unwrap_or(0);
        wanted.saturating_sub(count).saturating_mul(each) > MOST_LEFT
    }

    async fn pairs_after(
        &mut self,
        statement: &'static str,
        repo: &str,
        server: &str,
    ) -> Result<Vec<Key>, StoreError> {
        let question = sqlx::query(statement).bind(repo).bind(server).bind(number(PAIRS_AT_ONCE));
        let rows = question.fetch_all(&mut *self.connection).await?;
        let pair = |row: &PgRow| key(row.try_get(0)?, row.try_get(1)?, "transitions");
        rows.iter().map(pair).collect()
    }
}

/// Pairs as two arrays.
pub(super) struct PairArrays {
    repos: Vec<String>,
    servers: Vec<String>,
}

impl Records for PostgresRecords<'_> {
    type Pairs = PairArrays;

    /// Of each pair and state, as many are sought as a page has. There are few silences and ends.
    fn most_pairs(states: &[u8]) -> usize {
        if states.iter().all(|state| *state >= 2) { 10_000 } else { 1000 }
    }

    fn pairs_of(keys: &[Key]) -> Result<PairArrays, StoreError> {
        Ok(PairArrays {
            repos: keys.iter().map(|key| key.repo.as_str().to_owned()).collect(),
            servers: keys.iter().map(|key| key.server.as_str().to_owned()).collect(),
        })
    }

    async fn find_pairs(
        &mut self,
        repos: &Names,
        most: usize,
        passes: KeyPredicate<'_>,
    ) -> Result<Pairs, StoreError> {
        let mut found = FoundPairs::at_most(most);
        let wanted = repos.exact();
        let statement = if wanted.is_some() { sql::PAIRS_OF_REPO } else { sql::PAIRS };
        // Names are not empty, so this is before every pair.
        for repo in wanted.unwrap_or_else(|| vec![""]) {
            let mut after = Some((repo.to_owned(), String::new()));
            while let Some((repo, server)) = after.take() {
                let pairs = self.pairs_after(statement, &repo, &server).await?;
                if pairs.len() == PAIRS_AT_ONCE {
                    after =
                        pairs.last().map(|last| (last.repo.to_string(), last.server.to_string()));
                }
                for key in pairs {
                    if passes(key.borrow()) && found.add(key) {
                        return Ok(Pairs::TooMany);
                    }
                }
            }
        }
        Ok(found.finish())
    }

    async fn back(
        &mut self,
        before: Cursor,
        from: Timestamp,
        window: usize,
    ) -> Result<Option<Cursor>, StoreError> {
        let row = sqlx::query(sql::BACK)
            .bind(before.at.millis())
            .bind(before.id)
            .bind(from.millis())
            .bind(number(window))
            .fetch_optional(&mut *self.connection)
            .await?;
        let place = |row: PgRow| {
            let at = Timestamp::from_millis(row.try_get(0)?);
            Ok(Cursor { at, id: row.try_get(1)? })
        };
        row.map(place).transpose()
    }

    fn newest<'a>(
        &'a mut self,
        stretch: Stretch<'a, PairArrays>,
    ) -> BoxStream<'a, Result<HistoryItem, StoreError>> {
        let Stretch { pairs, states, events, before, since, from, count } = stretch;
        let statement = if pairs.is_some() { sql::NEWEST_OF_PAIRS } else { sql::NEWEST_OF_ALL };
        let question = sqlx::query(statement)
            .bind(before.at.millis())
            .bind(before.id)
            .bind(from.millis())
            .bind(number(count));
        let question = match pairs {
            Some(PairArrays { repos, servers }) => {
                let states: Vec<i16> = states.iter().map(|state| i16::from(*state)).collect();
                question.bind(repos).bind(servers).bind(states)
            }
            None => question.bind(events).bind(since.at.millis()).bind(since.id),
        };
        let Self { connection, stretch: received, is_given_up: _ } = self;
        *received = Received { wanted: count, ..Received::default() };
        let items = question.fetch(&mut **connection).map(move |row| {
            let item = decode(&row?)?;
            received.count += 1;
            received.weight += item.transition.weight();
            Ok(item)
        });
        items.boxed()
    }

    fn give_up(&mut self) {
        self.is_given_up = true;
    }

    async fn extent(&mut self) -> Result<Option<(Timestamp, Timestamp)>, StoreError> {
        let extent = sqlx::query(sql::EXTENT).fetch_one(&mut *self.connection).await?;
        let moment = |place: usize| -> Result<_, sqlx::Error> {
            Ok(extent.try_get::<Option<i64>, _>(place)?.map(Timestamp::from_millis))
        };
        Ok(moment(0)?.zip(moment(1)?))
    }

    async fn in_range(
        &mut self,
        pairs: &PairArrays,
        range: TimeRange,
    ) -> Result<Vec<usize>, StoreError> {
        let shown: Vec<i64> = sqlx::query_scalar(sql::IN_RANGE)
            .bind(&pairs.repos)
            .bind(&pairs.servers)
            .bind(range.from.millis())
            .bind(range.to.millis())
            .bind(i64::MIN)
            .fetch_all(&mut *self.connection)
            .await?;
        Ok(shown.into_iter().map(index).collect())
    }

    async fn has_at_most(
        &mut self,
        pairs: Option<&PairArrays>,
        range: TimeRange,
        most: usize,
    ) -> Result<bool, StoreError> {
        let count = match pairs {
            Some(PairArrays { repos, servers }) => {
                sqlx::query_scalar(sql::COUNT_OF_PAIRS).bind(repos).bind(servers)
            }
            None => sqlx::query_scalar(sql::COUNT_OF_ALL),
        };
        let most = number(most);
        let count: i64 = count
            .bind(range.from.millis())
            .bind(range.to.millis())
            .bind(most.saturating_add(1))
            .fetch_one(&mut *self.connection)
            .await?;
        Ok(count <= most)
    }

    async fn last_seen(
        &mut self,
        pairs: &PairArrays,
        moments: Vec<Timestamp>,
        in_sum: bool,
        take: Take<'_, (Timestamp, LastSeen)>,
    ) -> Result<(), StoreError> {
        let moments: Vec<i64> = moments.into_iter().map(Timestamp::millis).collect();
        let statement = if in_sum { sql::LAST_SEEN_IN_SUM } else { sql::LAST_SEEN };
        let question = sqlx::query(statement).bind(&pairs.repos).bind(&pairs.servers);
        let rows = question.bind(moments).fetch(&mut *self.connection);
        for_each(rows, |row| {
            let moment = Timestamp::from_millis(row.try_get(1)?);
            take(index(row.try_get(0)?), (moment, decode_last_seen(row)?));
            Ok(())
        })
        .await
    }

    async fn points(
        &mut self,
        pairs: &PairArrays,
        range: TimeRange,
        take: Take<'_, (Cursor, Condition)>,
    ) -> Result<(), StoreError> {
        let question = sqlx::query(sql::POINTS).bind(&pairs.repos).bind(&pairs.servers);
        let question = question.bind(range.from.millis()).bind(range.to.millis());
        let rows = question.fetch(&mut *self.connection);
        for_each(rows, |row| {
            let at = Timestamp::from_millis(row.try_get(1)?);
            let cursor = Cursor { at, id: row.try_get(2)? };
            take(index(row.try_get(0)?), (cursor, condition(row)?));
            Ok(())
        })
        .await
    }

    async fn points_in_sum(
        &mut self,
        pairs: &PairArrays,
        range: TimeRange,
        take: Take<'_, (Timestamp, Condition)>,
    ) -> Result<(), StoreError> {
        let question = sqlx::query(sql::POINTS_IN_SUM).bind(&pairs.repos).bind(&pairs.servers);
        let question = question.bind(range.from.millis()).bind(range.to.millis());
        let rows = question.fetch(&mut *self.connection);
        for_each(rows, |row| {
            let at = Timestamp::from_millis(row.try_get(1)?);
            take(index(row.try_get(0)?), (at, condition_of(i64::from(row.try_get::<i16, _>(2)?))));
            Ok(())
        })
        .await
    }

    async fn all_in_sum(
        &mut self,
        range: TimeRange,
        take: &mut (dyn FnMut(KeyRef<'_>, Timestamp, Condition) + Send),
    ) -> Result<(), StoreError> {
        let question =
            sqlx::query(sql::ALL_IN_SUM).bind(range.from.millis()).bind(range.to.millis());
        let rows = question.fetch(&mut *self.connection);
        for_each(rows, |row| {
            let key = KeyRef { repo: row.try_get(0)?, server: row.try_get(1)? };
            take(key, Timestamp::from_millis(row.try_get(2)?), condition(row)?);
            Ok(())
        })
        .await
    }
}

/// Reads the state that is in the fourth column.
fn condition(row: &PgRow) -> Result<Condition, StoreError> {
    Ok(condition_of(i64::from(row.try_get::<i16, _>(3)?)))
}

fn decode_last_seen(row: &PgRow) -> Result<LastSeen, StoreError> {
    let mut seen = LastSeen::default();
    let conditions = [Condition::Ended, Condition::Synced, Condition::Stale, Condition::OutOfSync];
    for (place, condition) in (2..).step_by(3).zip(conditions) {
        let Some(at) = row.try_get::<Option<i64>, _>(place)? else { continue };
        let cursor = Cursor { at: Timestamp::from_millis(at), id: row.try_get(place + 1)? };
        let is_drifted: bool = row.try_get(place + 2)?;
        seen.take(cursor, if is_drifted { Condition::OutOfSync } else { condition });
    }
    Ok(seen)
}

/// Reads a transition.
pub(super) fn decode(row: &PgRow) -> Result<HistoryItem, StoreError> {
    let id = row.try_get(TRANSITION_ID)?;
    let (id, transition) = StoredTransition::of_columns(row, id)?.read()?;
    Ok(HistoryItem { cursor: Cursor { at: transition.at, id }, transition })
}

/// Returns the index of a pair, given its place from 1 on.
fn index(place: i64) -> usize {
    usize::try_from(place - 1).unwrap_or(usize::MAX)
}

pub(super) fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
