//! The old transitions in a PostgreSQL database.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::feed::key;
use super::history_sql::pairs_after;
use super::records::number;
use crate::domain::{Cursor, Key, KeyRef, Timestamp, TransitionId};
use crate::store::StoreError;
use crate::store::history::OldRecords;

/// Whether a pair of `looked` has another transition, on one side of it in time.
macro_rules! has_another {
    ($comparison:literal, $more:literal) => {
        concat!(
            "exists ( \
                select from transitions as other where other.repo = looked.repo \
                    and other.server = looked.server \
                    and other.state = any ('{0,1,2,3}'::smallint[]) \
                    and (other.at, other.id) ",
            $comparison,
            " (looked.at, looked.id)",
            $more,
            ")"
        )
    };
}

/// Some transitions before `$3`, and whether each can be deleted: another of its entry follows
/// before `$3`, or it is an end that no other precedes.
const OLDER: &str = concat!(
    "with looked as materialized ( \
        select id, at, repo, server, state from transitions \
        where (at, id) > ($1, $2) and at < $3 order by at, id limit $4 \
    ) \
    select id, at, ",
    has_another!(">", " and other.at < $3"),
    " or state = 3 and not ",
    has_another!("<", ""),
    " from looked order by at, id"
);

/// The next pairs after one, and the number of transitions of each.
const COUNTS: &str = concat!(
    pairs_after!("$1", "$2"),
    "select repo, server, ( \
        select count(*) from transitions as own \
        where own.repo = pairs.repo and own.server = pairs.server \
    ) from pairs limit $3"
);

/// The oldest transitions of a pair.
const OLDEST: &str = "select id from transitions \
    where repo = $1 and server = $2 and state = any ('{0,1,2,3}'::smallint[]) \
    order by at, id limit $3";

/// The bytes of the history on disk, with its indexes, and with the room that deleted rows leave.
const BYTES_ON_DISK: &str = "select pg_total_relation_size('transitions')";

/// About how many bytes a transition takes, and how many there are. Pages of the indexes by time and by
/// id are nearly full. Those of the index by pair are split in the middle, so they are about two thirds
/// full.
const SIZE: &str = "\
    select coalesce(avg(bytes), 0)::bigint, (select count(*) from transitions) \
    from ( \
        select 122 + pg_column_size(repo) + pg_column_size(server) + pg_column_size(event) \
            + pg_column_size(sync_status) + pg_column_size(files_added) \
            + pg_column_size(files_removed) + coalesce(pg_column_size(report_revision), 0) \
            + coalesce(pg_column_size(url), 0) + coalesce(pg_column_size(\"by\"), 0) \
            + (44 + octet_length(repo) + octet_length(server)) * 3 / 2 as bytes \
        from transitions order by id desc limit 10000 \
    ) as sample";

/// The time before which `$1` transitions can be deleted. Each pair may have one older transition
/// that has to stay, so as many more are skipped as there are pairs.
const AFTER_OLDEST: &str = concat!(
    pairs_after!("''", "''"),
    "select coalesce( \
        (select at from transitions order by at, id limit 1 offset $1 + ( \
            select count(*) from pairs \
        )), \
        (select max(at) + 1 from transitions) \
    )"
);

/// The old part of the history as a connection reads it.
pub(super) struct PostgresOldRecords<'c>(pub(super) &'c mut PgConnection);

impl OldRecords for PostgresOldRecords<'_> {
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
        let looked = |row: &PgRow| {
            let at = Timestamp::from_millis(row.try_get(1)?);
            Ok((Cursor { at, id: row.try_get(0)? }, row.try_get(2)?))
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
        let counts = sqlx::query(COUNTS).bind(repo).bind(server);
        let rows = counts.bind(number(most)).fetch_all(&mut *self.0).await?;
        let counted = |row: &PgRow| {
            let count = usize::try_from(row.try_get::<i64, _>(2)?).unwrap_or(0);
            Ok((key(row.try_get(0)?, row.try_get(1)?, "transitions")?, count))
        };
        rows.iter().map(counted).collect()
    }

    async fn oldest(&mut self, key: &Key, most: usize) -> Result<Vec<TransitionId>, StoreError> {
        let oldest = sqlx::query_scalar(OLDEST)
            .bind(key.repo.as_str())
            .bind(key.server.as_str())
            .bind(number(most));
        Ok(oldest.fetch_all(&mut *self.0).await?)
    }

    async fn too_many(&mut self, bytes: u64) -> Result<u64, StoreError> {
        let on_disk: i64 = sqlx::query_scalar(BYTES_ON_DISK).fetch_one(&mut *self.0).await?;
        if on_disk.unsigned_abs() <= bytes {
            return Ok(0);
        }
        // It may be large because of what was deleted: only now are the rows counted.
        let size = sqlx::query(SIZE).fetch_one(&mut *self.0).await?;
        let (each, count): (i64, i64) = (size.try_get(0)?, size.try_get(1)?);
        let each = each.unsigned_abs();
        let excess = each.saturating_mul(count.unsigned_abs()).saturating_sub(bytes);
        // Rows of no bytes are never too many.
        Ok(if excess == 0 { 0 } else { excess.div_ceil(each) })
    }

    async fn after_oldest(&mut self, count: u64) -> Result<Option<Timestamp>, StoreError> {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let cut: Option<i64> =
            sqlx::query_scalar(AFTER_OLDEST).bind(count).fetch_one(&mut *self.0).await?;
        Ok(cut.map(Timestamp::from_millis))
    }
}
