//! The old transitions in a SQLite database.

use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::pairs::{self, pairs_from};
use crate::domain::{Cursor, Key, KeyRef, Timestamp, TransitionId};
use crate::store::StoreError;
use crate::store::history::OldRecords;

/// Some transitions before `$3`, and whether each can be deleted: another of its entry follows
/// before `$3`, or it is an end that no other precedes.
const OLDER: &str = "\
    with looked (id, at, repo, server, state) as materialized ( \
        select id, at, repo, server, state from transitions \
        where (at, id) > ($1, $2) and at < $3 order by at, id limit $4 \
    ) \
    select id, at, \
        exists ( \
            select 1 from transitions as later where later.repo = looked.repo \
                and later.server = looked.server and later.state in (0, 1, 2, 3) \
                and (later.at, later.id) > (looked.at, looked.id) and later.at < $3 \
        ) or state = 3 and not exists ( \
            select 1 from transitions as earlier where earlier.repo = looked.repo \
                and earlier.server = looked.server and earlier.state in (0, 1, 2, 3) \
                and (earlier.at, earlier.id) < (looked.at, looked.id) \
        ) as goes \
    from looked order by at, id";

/// The next pairs after one, and the number of transitions of each.
const COUNTS: &str = concat!(
    pairs_from!("$1", "$2"),
    "select repo, server, ( \
        select count(*) from transitions as own \
        where own.repo = pairs.repo and own.server = pairs.server \
    ) as count \
    from pairs \
    where repo is not null and server <> '' and (repo, server) <> ($1, $2) \
    limit $3"
);

/// The oldest transitions of a pair.
const OLDEST: &str = "select id from transitions \
    where repo = $1 and server = $2 and state in (0, 1, 2, 3) order by at, id limit $3";

/// The number of pages in use, and the bytes of a page.
const SIZE: &str = "\
    select \
        (select page_count from pragma_page_count) \
            - (select freelist_count from pragma_freelist_count) as pages, \
        (select page_size from pragma_page_size) as page_size";
/// The bytes of everything but the history. There is less of it to count.
const SIZE_OF_OTHERS: &str = "\
    select coalesce(sum(dbstat.pgsize), 0) \
    from sqlite_schema cross join dbstat on dbstat.name = sqlite_schema.name \
    where sqlite_schema.tbl_name <> 'transitions' and rootpage > 0 and dbstat.aggregate = true";
const COUNT: &str = "select count(*) from transitions";
/// The time before which `$1` transitions can be deleted. Each pair may have one older transition
/// that has to stay, so as many more are skipped as there are pairs.
const AFTER_OLDEST: &str = concat!(
    pairs_from!("''", "''"),
    "select coalesce( \
        (select at from transitions order by at, id limit 1 offset $1 + ( \
            select count(*) from pairs where repo is not null and server <> '' \
        )), \
        (select max(at) + 1 from transitions) \
    )"
);

/// The old part of the history as a connection reads it.
pub(super) struct SqliteOldRecords<'c>(pub(super) &'c mut SqliteConnection);

impl OldRecords for SqliteOldRecords<'_> {
    async fn older(
        &mut self,
        than: Timestamp,
        after: Cursor,
        most: usize,
    ) -> Result<Vec<(Cursor, bool)>, StoreError> {
        let rows = sqlx::query(OLDER)
            .bind(after.at.millis())
            .bind(after.id)
            .bind(than.millis())
            .bind(number(most))
            .fetch_all(&mut *self.0)
            .await?;
        let looked = |row: &SqliteRow| {
            let at = Timestamp::from_millis(row.try_get("at")?);
            Ok((Cursor { at, id: row.try_get("id")? }, row.try_get("goes")?))
        };
        rows.iter().map(looked).collect()
    }

    async fn counts(
        &mut self,
        after: Option<&Key>,
        most: usize,
    ) -> Result<Vec<(Key, usize)>, StoreError> {
        // Names are not empty, so this is before every pair.
        let KeyRef { repo, server } = after.map_or(KeyRef { repo: "", server: "" }, Key::borrow);
        let counts = sqlx::query(COUNTS).bind(repo.to_owned()).bind(server.to_owned());
        let rows = counts.bind(number(most)).fetch_all(&mut *self.0).await?;
        let counted = |row: &SqliteRow| {
            let count = usize::try_from(row.try_get::<i64, _>("count")?).unwrap_or(0);
            Ok((pairs::decode(row, "transitions")?, count))
        };
        rows.iter().map(counted).collect()
    }

    async fn oldest(&mut self, key: &Key, most: usize) -> Result<Vec<TransitionId>, StoreError> {
        let oldest = sqlx::query_scalar(OLDEST)
            .bind(key.repo.as_str().to_owned())
            .bind(key.server.as_str().to_owned())
            .bind(number(most));
        Ok(oldest.fetch_all(&mut *self.0).await?)
    }

    async fn too_many(&mut self, bytes: u64) -> Result<u64, StoreError> {
        let size = sqlx::query(SIZE).fetch_one(&mut *self.0).await?;
        let (pages, page_size): (i64, i64) = (size.try_get("pages")?, size.try_get("page_size")?);
        let used = u64::try_from(pages.saturating_mul(page_size)).unwrap_or(0);
        if used <= bytes {
            // The usual case: the whole database is smaller than the history may be.
            return Ok(0);
        }
        let others: i64 = sqlx::query_scalar(SIZE_OF_OTHERS).fetch_one(&mut *self.0).await?;
        let history = used.saturating_sub(u64::try_from(others).unwrap_or(0));
        let excess = history.saturating_sub(bytes);
        if excess == 0 {
            return Ok(0);
        }
        let count: i64 = sqlx::query_scalar(COUNT).fetch_one(&mut *self.0).await?;
        let share = u128::try_from(count).unwrap_or(0) * u128::from(excess);
        Ok(u64::try_from(share.div_ceil(u128::from(history))).unwrap_or(u64::MAX))
    }

    async fn after_oldest(&mut self, count: u64) -> Result<Option<Timestamp>, StoreError> {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let cut: Option<i64> =
            sqlx::query_scalar(AFTER_OLDEST).bind(count).fetch_one(&mut *self.0).await?;
        Ok(cut.map(Timestamp::from_millis))
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
