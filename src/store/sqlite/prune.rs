//! Finds transitions that a rule no longer keeps.
//!
//! This only reads. The writer deletes what is found, in chunks that do not delay updates.

use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::pairs::{self, pairs_from};
use crate::domain::{Cursor, Key, Prunable, PruneRule, Timestamp, TransitionId};
use crate::store::StoreError;

/// The most transitions deleted by one statement. This takes some ten milliseconds, since each may
/// be on an index page of its own.
const CHUNK: usize = 200;
/// The number of entries whose transitions one statement counts.
const ENTRIES_COUNTED: usize = 200;

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

/// Finds some transitions that a rule no longer keeps.
pub(super) async fn find(
    connection: &mut SqliteConnection,
    search: PruneRule,
) -> Result<Prunable, StoreError> {
    match search {
        PruneRule::Older { than, after } => older(connection, than, after).await,
        PruneRule::Beyond { newest, after } => beyond(connection, newest, after).await,
        PruneRule::Larger { than } => larger(connection, than).await,
    }
}

async fn older(
    connection: &mut SqliteConnection,
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
        let id: TransitionId = row.try_get("id")?;
        after = Cursor { at: Timestamp::from_millis(row.try_get("at")?), id };
        if row.try_get("goes")? {
            found.push(id);
        }
    }
    let next = (looked.len() == CHUNK).then_some(PruneRule::Older { than, after });
    Ok(Prunable { found, next })
}

async fn beyond(
    connection: &mut SqliteConnection,
    newest: usize,
    mut after: Option<Key>,
) -> Result<Prunable, StoreError> {
    let (repo, server) = match &after {
        Some(key) => (key.repo.as_str().to_owned(), key.server.as_str().to_owned()),
        None => (String::new(), String::new()),
    };
    let counts = sqlx::query(COUNTS).bind(repo).bind(server).bind(number(ENTRIES_COUNTED));
    let counts = counts.fetch_all(&mut *connection).await?;
    let mut found: Vec<TransitionId> = Vec::new();
    for row in &counts {
        let key = pairs::decode(row, "transitions")?;
        let count = usize::try_from(row.try_get::<i64, _>("count")?).unwrap_or(0);
        let (excess, room) = (count.saturating_sub(newest), CHUNK - found.len());
        if excess > 0 {
            let oldest: Vec<TransitionId> = sqlx::query_scalar(OLDEST)
                .bind(key.repo.as_str().to_owned())
                .bind(key.server.as_str().to_owned())
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

async fn larger(connection: &mut SqliteConnection, than: u64) -> Result<Prunable, StoreError> {
    let size = sqlx::query(SIZE).fetch_one(&mut *connection).await?;
    let (pages, page_size): (i64, i64) = (size.try_get("pages")?, size.try_get("page_size")?);
    let used = u64::try_from(pages.saturating_mul(page_size)).unwrap_or(0);
    if used <= than {
        // The usual case: the whole database is smaller than the history may be.
        return Ok(Prunable::default());
    }
    let others: i64 = sqlx::query_scalar(SIZE_OF_OTHERS).fetch_one(&mut *connection).await?;
    let history = used.saturating_sub(u64::try_from(others).unwrap_or(0));
    let excess = history.saturating_sub(than);
    if excess == 0 {
        return Ok(Prunable::default());
    }
    let count: i64 = sqlx::query_scalar(COUNT).fetch_one(&mut *connection).await?;
    let share = u128::try_from(count).unwrap_or(0) * u128::from(excess);
    let too_many = i64::try_from(share.div_ceil(u128::from(history))).unwrap_or(i64::MAX);
    let cut: Option<i64> =
        sqlx::query_scalar(AFTER_OLDEST).bind(too_many).fetch_one(connection).await?;
    let than = cut.map(Timestamp::from_millis);
    let next = than.map(|than| PruneRule::Older { than, after: Cursor::START });
    Ok(Prunable { found: Vec::new(), next })
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
