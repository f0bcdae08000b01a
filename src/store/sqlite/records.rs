//! The history in a SQLite database.

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::history_sql as sql;
use super::pairs;
use crate::domain::{
    Condition, Cursor, HistoryItem, Key, KeyRef, LastSeen, Names, TimeRange, Timestamp,
};
use crate::store::history::{Pairs, Records, Stretch, Take, condition_of, for_each};
use crate::store::{KeyPredicate, StoreError, record};

/// The history as a connection reads it. Pairs, and all other lists, are JSON arrays.
pub(super) struct SqliteRecords<'c>(pub(super) &'c mut SqliteConnection);

impl Records for SqliteRecords<'_> {
    type Pairs = String;

    fn most_pairs(_: &[u8]) -> usize {
        10_000
    }

    fn pairs_of(keys: &[Key]) -> Result<String, StoreError> {
        pairs::parameter(keys)
    }

    async fn find_pairs(
        &mut self,
        repos: &Names,
        most: usize,
        passes: KeyPredicate<'_>,
    ) -> Result<Pairs, StoreError> {
        pairs::find(self.0, repos, most, passes).await
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
            .bind(i64::try_from(window).unwrap_or(i64::MAX))
            .fetch_optional(&mut *self.0)
            .await?;
        let place = |row: SqliteRow| {
            let at = Timestamp::from_millis(row.try_get("at")?);
            Ok(Cursor { at, id: row.try_get("id")? })
        };
        row.map(place).transpose()
    }

    fn newest<'a>(
        &'a mut self,
        stretch: Stretch<'a, String>,
    ) -> BoxStream<'a, Result<HistoryItem, StoreError>> {
        let Stretch { pairs, states, events, before, since, from, count } = stretch;
        let statement = if pairs.is_some() { sql::NEWEST_OF_PAIRS } else { sql::NEWEST_OF_ALL };
        let question = sqlx::query(statement)
            .bind(before.at.millis())
            .bind(before.id)
            .bind(from.millis())
            .bind(i64::try_from(count).unwrap_or(i64::MAX));
        let question = match pairs {
            Some(pairs) => question.bind(pairs.as_str()).bind(words(states)),
            None => question.bind(words(events)).bind(since.at.millis()).bind(since.id),
        };
        question.fetch(&mut *self.0).map(|row| decode(&row?)).boxed()
    }

    async fn extent(&mut self) -> Result<Option<(Timestamp, Timestamp)>, StoreError> {
        let extent = sqlx::query(sql::EXTENT).fetch_one(&mut *self.0).await?;
        let moment = |name| -> Result<_, sqlx::Error> {
            Ok(extent.try_get::<Option<i64>, _>(name)?.map(Timestamp::from_millis))
        };
        Ok(moment("first")?.zip(moment("last")?))
    }

    async fn in_range(
        &mut self,
        pairs: &String,
        range: TimeRange,
    ) -> Result<Vec<usize>, StoreError> {
        let shown: Vec<i64> = sqlx::query_scalar(sql::IN_RANGE)
            .bind(pairs.as_str())
            .bind(range.from.millis())
            .bind(range.to.millis())
            .bind(i64::MIN)
            .fetch_all(&mut *self.0)
            .await?;
        Ok(shown.into_iter().map(place).collect())
    }

    async fn has_at_most(
        &mut self,
        pairs: Option<&String>,
        range: TimeRange,
        most: usize,
    ) -> Result<bool, StoreError> {
        let count = match pairs {
            Some(pairs) => sqlx::query_scalar(sql::COUNT_OF_PAIRS).bind(pairs.as_str()),
            None => sqlx::query_scalar(sql::COUNT_OF_ALL),
        };
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let count: i64 = count
            .bind(range.from.millis())
            .bind(range.to.millis())
            .bind(most.saturating_add(1))
            .fetch_one(&mut *self.0)
            .await?;
        Ok(count <= most)
    }

    async fn last_seen(
        &mut self,
        pairs: &String,
        moments: Vec<Timestamp>,
        in_sum: bool,
        take: Take<'_, (Timestamp, LastSeen)>,
    ) -> Result<(), StoreError> {
        let moments: Vec<i64> = moments.into_iter().map(Timestamp::millis).collect();
        let question = sqlx::query(sql::LAST_SEEN).bind(pairs.as_str());
        let question = question.bind(pairs::json(&moments)?).bind(in_sum);
        let rows = question.fetch(&mut *self.0);
        for_each(rows, |row| {
            let moment = Timestamp::from_millis(row.try_get("moment")?);
            take(place(row.try_get("pair")?), (moment, decode_last_seen(row)?));
            Ok(())
        })
        .await
    }

    async fn points(
        &mut self,
        pairs: &String,
        range: TimeRange,
        take: Take<'_, (Cursor, Condition)>,
    ) -> Result<(), StoreError> {
        let question = sqlx::query(sql::POINTS)
            .bind(pairs.as_str())
            .bind(range.from.millis())
            .bind(range.to.millis());
        let rows = question.fetch(&mut *self.0);
        for_each(rows, |row| {
            let at = Timestamp::from_millis(row.try_get("at")?);
            let cursor = Cursor { at, id: row.try_get("id")? };
            take(place(row.try_get("pair")?), (cursor, condition_of(row.try_get("state")?)));
            Ok(())
        })
        .await
    }

    async fn points_in_sum(
        &mut self,
        pairs: &String,
        range: TimeRange,
        take: Take<'_, (Timestamp, Condition)>,
    ) -> Result<(), StoreError> {
        let question = sqlx::query(sql::POINTS_IN_SUM)
            .bind(pairs.as_str())
            .bind(range.from.millis())
            .bind(range.to.millis());
        let rows = question.fetch(&mut *self.0);
        for_each(rows, |row| {
            let at = Timestamp::from_millis(row.try_get("at")?);
            take(place(row.try_get("pair")?), (at, condition_of(row.try_get("state")?)));
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
        let rows = question.fetch(&mut *self.0);
        for_each(rows, |row| {
            let key = KeyRef { repo: row.try_get(2)?, server: row.try_get(3)? };
            let at = Timestamp::from_millis(row.try_get(0)?);
            take(key, at, condition_of(row.try_get(1)?));
            Ok(())
        })
        .await
    }
}

fn decode_last_seen(row: &SqliteRow) -> Result<LastSeen, StoreError> {
    let mut seen = LastSeen::default();
    for (column, condition) in [
        ("ended", Condition::Ended),
        ("synced", Condition::Synced),
        ("stale", Condition::Stale),
        ("out_of_sync", Condition::OutOfSync),
    ] {
        let Some(text) = row.try_get::<Option<&str>, _>(column)? else { continue };
        let drifted = text.strip_suffix('d');
        if let Some(cursor) = Cursor::parse(drifted.unwrap_or(text)) {
            seen.take(cursor, drifted.map_or(condition, |_| Condition::OutOfSync));
        }
    }
    Ok(seen)
}

/// Encodes numbers or words, which cannot fail.
fn words(list: &[impl serde::Serialize]) -> String {
    serde_json::to_string(list).unwrap_or_default()
}

fn place(number: i64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
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
    use crate::domain::{Event, Filter, HistoryQuery};
    use crate::store::history::read_within;
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
            match read_within(&mut SqliteRecords(&mut connection), &query, 90, time).await {
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
