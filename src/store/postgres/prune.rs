//! Finds transitions that a rule no longer keeps.
//!
//! This only reads. The writer deletes what is found, in chunks that do not delay updates.

use sqlx::{PgConnection, Row};

use super::feed::key;
use super::history_sql::pairs_after;
use super::records::number;
use crate::domain::{Cursor, Key, Prunable, PruneRule, Timestamp, TransitionId};
use crate::store::StoreError;

/// The most transitions deleted by one statement.
const CHUNK: usize = 200;
/// The number of entries whose transitions one statement counts.
const ENTRIES_COUNTED: usize = 200;

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

/// About how many bytes a transition takes, with what its indexes have of it, and about how many
/// there are. The size of the table would not do: it stays as it is when rows are deleted.
const SIZE: &str = "\
    select coalesce(avg(bytes), 0)::bigint, ( \
        select n_live_tup from pg_stat_user_tables where relid = 'transitions'::regclass \
    ) \
    from ( \
        select pg_column_size(newest.*) + 4 \
            + (92 + octet_length(repo) + octet_length(server)) * 10 / 9 as bytes \
        from transitions as newest order by id desc limit 10000 \
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

/// Finds some transitions that a rule no longer keeps.
pub(super) async fn find(
    connection: &mut PgConnection,
    search: PruneRule,
) -> Result<Prunable, StoreError> {
    match search {
        PruneRule::Older { than, after } => older(connection, than, after).await,
        PruneRule::Beyond { newest, after } => beyond(connection, newest, after).await,
        PruneRule::Larger { than } => larger(connection, than).await,
    }
}

async fn older(
    connection: &mut PgConnection,
    than: Timestamp,
    mut after: Cursor,
) -> Result<Prunable, StoreError> {
    let looked = sqlx::query(OLDER)
        .bind(after.at.millis())
        .bind(after.id)
        .bind(than.millis())
        .bind(number(CHUNK))
        .fetch_all(connection)
        .await?;
    let mut found = Vec::new();
    for row in &looked {
        let id: TransitionId = row.try_get(0)?;
        after = Cursor { at: Timestamp::from_millis(row.try_get(1)?), id };
        if row.try_get(2)? {
            found.push(id);
        }
    }
    let next = (looked.len() == CHUNK).then_some(PruneRule::Older { than, after });
    Ok(Prunable { found, next })
}

async fn beyond(
    connection: &mut PgConnection,
    newest: usize,
    mut after: Option<Key>,
) -> Result<Prunable, StoreError> {
    let (repo, server) = match &after {
        Some(key) => (key.repo.as_str(), key.server.as_str()),
        None => ("", ""),
    };
    let counts = sqlx::query(COUNTS).bind(repo).bind(server).bind(number(ENTRIES_COUNTED));
    let counts = counts.fetch_all(&mut *connection).await?;
    let mut found: Vec<TransitionId> = Vec::new();
    for row in &counts {
        let key = key(row.try_get(0)?, row.try_get(1)?, "transitions")?;
        let count = usize::try_from(row.try_get::<i64, _>(2)?).unwrap_or(0);
        let (excess, room) = (count.saturating_sub(newest), CHUNK - found.len());
        if excess > 0 {
            let oldest: Vec<TransitionId> = sqlx::query_scalar(OLDEST)
                .bind(key.repo.as_str())
                .bind(key.server.as_str())
                .bind(number(excess.min(room)))
                .fetch_all(&mut *connection)
                .await?;
            found.extend(oldest);
        }
        if excess >= room {
            // This entry may have more, so the next search begins with it.
            return Ok(Prunable { found, next: Some(PruneRule::Beyond { newest, after }) });
        }
        after = Some(key);
    }
    let next = (counts.len() == ENTRIES_COUNTED).then_some(PruneRule::Beyond { newest, after });
    Ok(Prunable { found, next })
}

async fn larger(connection: &mut PgConnection, than: u64) -> Result<Prunable, StoreError> {
    let size = sqlx::query(SIZE).fetch_one(&mut *connection).await?;
    let (bytes, count): (i64, i64) = (size.try_get(0)?, size.try_get(1)?);
    let bytes = bytes.unsigned_abs();
    let excess = bytes.saturating_mul(count.unsigned_abs()).saturating_sub(than);
    if excess == 0 {
        return Ok(Prunable::default());
    }
    let too_many = i64::try_from(excess.div_ceil(bytes)).unwrap_or(i64::MAX);
    let cut: Option<i64> =
        sqlx::query_scalar(AFTER_OLDEST).bind(too_many).fetch_one(connection).await?;
    let than = cut.map(Timestamp::from_millis);
    let next = than.map(|than| PruneRule::Older { than, after: Cursor::START });
    Ok(Prunable { found: Vec::new(), next })
}
