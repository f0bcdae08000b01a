//! Reading timelines.
//!
//! Few transitions are read one by one. Of many, seeks read only those that the steps need, so the
//! cost depends on the number of steps, not on the size of the history.

use futures_util::TryStreamExt;
use sqlx::query::QueryScalar;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Row, Sqlite};
use tokio::task::coop::consume_budget;

use super::pairs::{self, Pairs};
use super::timeline_by_name;
use crate::domain::{
    Condition, Cursor, Grouping, Key, LastSeen, LineKind, Names, Past, Phase, Phases, TimeRange,
    TimeStep, Timeline, TimelineQuery, Timestamp,
};
use crate::store::{KeyPredicate, StoreError};

/// The first and the last moment of the history.
const EXTENT: &str = "select \
    (select min(at) from transitions) as first, (select max(at) from transitions) as last";

/// The number of transitions of some pairs in a range, up to `$4`.
const COUNT: &str = "\
    select count(*) from ( \
        select 1 from json_each($1) as pair cross join transitions \
        where repo = pair.value ->> 0 and server = pair.value ->> 1 and state in (0, 1, 2, 3) \
            and at >= $2 and at < $3 \
        limit $4 \
    )";

/// The transitions of some pairs in a range.
const POINTS: &str = "\
    select pair.key as pair, at, transitions.id, state \
    from json_each($1) as pair cross join transitions \
    where repo = pair.value ->> 0 and server = pair.value ->> 1 and state in (0, 1, 2, 3) \
        and at >= $2 and at < $3 \
    order by pair.key, at, transitions.id";

/// The last transition to each state before some moments, for some pairs. With `$3`, a `d` follows
/// that of an entry that was drifted, which only its row says.
const LAST_SEEN: &str = "\
    with pairs (key, repo, server) as materialized ( \
        select key, value ->> 0, value ->> 1 from json_each($1) \
    ) \
    select pairs.key as pair, moment.value as moment, \
        ( \
            select at || '.' || id \
                || iif($3 and (sync_status = 'OUT_OF_SYNC' or drift_count > 0), 'd', '') \
            from transitions as seen where seen.repo = pairs.repo \
                and seen.server = pairs.server and state = 0 and at < moment.value \
            order by at desc, id desc limit 1 \
        ) as synced, \
        ( \
            select at || '.' || id from transitions as seen where seen.repo = pairs.repo \
                and seen.server = pairs.server and state = 1 and at < moment.value \
            order by at desc, id desc limit 1 \
        ) as out_of_sync, \
        ( \
            select at || '.' || id \
                || iif($3 and (sync_status = 'OUT_OF_SYNC' or drift_count > 0), 'd', '') \
            from transitions as seen where seen.repo = pairs.repo \
                and seen.server = pairs.server and state = 2 and at < moment.value \
            order by at desc, id desc limit 1 \
        ) as stale, \
        ( \
            select at || '.' || id from transitions as seen where seen.repo = pairs.repo \
                and seen.server = pairs.server and state = 3 and at < moment.value \
            order by at desc, id desc limit 1 \
        ) as ended \
    from pairs cross join json_each($2) as moment \
    order by pairs.key, moment.value";

/// The pairs to show for a range: those with a transition in it, and those with an entry at its
/// start.
const IN_RANGE: &str = "\
    with pairs (key, repo, server) as materialized ( \
        select key, value ->> 0, value ->> 1 from json_each($1) \
    ) \
    select key from pairs where exists ( \
        select 1 from transitions as seen where seen.repo = pairs.repo \
            and seen.server = pairs.server and state in (0, 1, 2, 3) and at >= $2 and at < $3 \
    ) or max( \
        coalesce((select max(at) from transitions as seen where seen.repo = pairs.repo \
            and seen.server = pairs.server and state = 0 and at < $2), $4), \
        coalesce((select max(at) from transitions as seen where seen.repo = pairs.repo \
            and seen.server = pairs.server and state = 1 and at < $2), $4), \
        coalesce((select max(at) from transitions as seen where seen.repo = pairs.repo \
            and seen.server = pairs.server and state = 2 and at < $2), $4) \
    ) > coalesce((select max(at) from transitions as seen where seen.repo = pairs.repo \
        and seen.server = pairs.server and state = 3 and at < $2), $4) \
    order by key";

/// The number of pairs that are examined for each that may be shown. Many of them can be long gone.
const LOOKED_AT: usize = 20;

/// Reads the timeline of the entries that pass, or `None` if there are more than the query takes.
pub(super) async fn read(
    connection: &mut SqliteConnection,
    query: TimelineQuery,
    repos: &Names,
    passes: KeyPredicate<'_>,
) -> Result<Option<Timeline>, StoreError> {
    let most = query.most_entries().saturating_mul(LOOKED_AT);
    let Pairs::Few(keys) = pairs::find(connection, repos, most, passes).await? else {
        return Ok(None);
    };
    let Some(range) = within_extent(connection, query.range).await? else {
        return Ok(Some(Timeline::default()));
    };
    let query = TimelineQuery { range, ..query };
    let keys = in_range(connection, keys, range).await?;
    let grouping = Grouping::new(&keys, query.lines);
    if keys.len() > query.most_entries() || grouping.lines.len() > query.limit {
        return Ok(None);
    }
    let (phases, step) = match query.lines {
        LineKind::Entry => read_entries(connection, &query, &keys).await?,
        LineKind::Repo | LineKind::Server => {
            timeline_by_name::read(connection, &query, &keys, &grouping).await?
        }
    };
    Ok(Some(Timeline::new(grouping.lines, phases, step)))
}

/// Reads the phases of entries, each of which is a line.
async fn read_entries(
    connection: &mut SqliteConnection,
    query: &TimelineQuery,
    keys: &[Key],
) -> Result<(Vec<Phase>, Option<TimeStep>), StoreError> {
    let pairs = pairs::parameter(keys)?;
    let step = query.step_for(keys.len(), keys.len());
    if let Some(step) = step
        && !has_few_points(connection, &pairs, query).await?
    {
        return Ok((read_steps(connection, &pairs, query, step).await?, Some(step)));
    }
    Ok(query.show(&read_lives(connection, &pairs, keys.len(), query).await?))
}

/// Reads the phases of entries, divided into steps, entry by entry.
pub(super) async fn read_steps(
    connection: &mut SqliteConnection,
    pairs: &str,
    query: &TimelineQuery,
    step: TimeStep,
) -> Result<Vec<Phase>, StoreError> {
    let mut phases = Phases::default();
    let ends = step.starts(query.range).chain([query.range.to]);
    let take = |pair, end, seen| phases.take(pair, end, seen);
    last_seen(connection, pairs, query.lines, ends, take).await?;
    Ok(phases.finish())
}

/// Drops the pairs that have nothing to show in a range.
async fn in_range(
    connection: &mut SqliteConnection,
    keys: Vec<Key>,
    range: TimeRange,
) -> Result<Vec<Key>, StoreError> {
    let shown: Vec<i64> = sqlx::query_scalar(IN_RANGE)
        .bind(pairs::parameter(&keys)?)
        .bind(range.from.millis())
        .bind(range.to.millis())
        .bind(i64::MIN)
        .fetch_all(connection)
        .await?;
    let mut shown = shown.into_iter().peekable();
    let numbered = (0_i64..).zip(keys);
    Ok(numbered.filter_map(|(place, key)| shown.next_if_eq(&place).map(|_| key)).collect())
}

/// Cuts a range to the extent of the history, so that no steps are spent outside it.
async fn within_extent(
    connection: &mut SqliteConnection,
    range: TimeRange,
) -> Result<Option<TimeRange>, StoreError> {
    let extent = sqlx::query(EXTENT).fetch_one(connection).await?;
    let (Some(first), Some(last)) = (extent.try_get("first")?, extent.try_get("last")?) else {
        return Ok(None);
    };
    let TimeRange { from, to } = range;
    let after = |millis: i64| Timestamp::from_millis(millis.saturating_add(1));
    let from = from.max(Timestamp::from_millis(first)).max(Timestamp::from_millis(0));
    // At least a millisecond is left, to show the state at the start of the range.
    let end = after(last).max(after(from.millis()));
    Ok((from < to).then_some(TimeRange { from, to: to.min(end) }))
}

/// Whether some pairs have few enough transitions to read each.
pub(super) async fn has_few_points(
    connection: &mut SqliteConnection,
    pairs: &str,
    query: &TimelineQuery,
) -> Result<bool, StoreError> {
    let count = sqlx::query_scalar(COUNT).bind(pairs.to_owned());
    is_at_most(connection, count, query.range, query.most_points).await
}

/// Whether a count of the transitions in a range is at most a number. It is bound to the range and
/// then to one more than that number, up to which it has to count.
pub(super) async fn is_at_most(
    connection: &mut SqliteConnection,
    count: QueryScalar<'_, Sqlite, i64, SqliteArguments>,
    range: TimeRange,
    most: usize,
) -> Result<bool, StoreError> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let count = count
        .bind(range.from.millis())
        .bind(range.to.millis())
        .bind(most.saturating_add(1))
        .fetch_one(connection)
        .await?;
    Ok(count <= most)
}

/// Reads every transition in a range, and how each entry stood before it.
async fn read_lives(
    connection: &mut SqliteConnection,
    pairs: &str,
    count: usize,
    query: &TimelineQuery,
) -> Result<Vec<Past>, StoreError> {
    let TimelineQuery { range, lines, .. } = *query;
    let mut pasts: Vec<Past> = (0..count).map(|line| Past { line, ..Past::default() }).collect();
    last_seen(connection, pairs, lines, [range.from].into_iter(), |pair, _, seen| {
        if let Some(past) = pasts.get_mut(pair) {
            past.carried = seen.latest();
        }
    })
    .await?;
    let question = sqlx::query(POINTS)
        .bind(pairs.to_owned())
        .bind(range.from.millis())
        .bind(range.to.millis());
    let mut rows = question.fetch(connection);
    while let Some(row) = rows.try_next().await? {
        consume_budget().await;
        let at = Timestamp::from_millis(row.try_get("at")?);
        let place = Cursor { at, id: row.try_get("id")? };
        let condition = condition_of(row.try_get("state")?);
        if let Some(past) = pasts.get_mut(pair_of(&row)?) {
            past.points.push((place, condition));
        }
    }
    Ok(pasts)
}

/// Finds the last transition to each state, for each of some pairs at each of some moments, in
/// order.
pub(super) async fn last_seen(
    connection: &mut SqliteConnection,
    pairs: &str,
    lines: LineKind,
    moments: impl Iterator<Item = Timestamp>,
    mut take: impl FnMut(usize, Timestamp, LastSeen),
) -> Result<(), StoreError> {
    let moments = pairs::json(&moments.map(Timestamp::millis).collect::<Vec<_>>())?;
    let question =
        sqlx::query(LAST_SEEN).bind(pairs.to_owned()).bind(moments).bind(lines.sums_up());
    let mut rows = question.fetch(connection);
    while let Some(row) = rows.try_next().await? {
        consume_budget().await;
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
        take(pair_of(&row)?, Timestamp::from_millis(row.try_get("moment")?), seen);
    }
    Ok(())
}

/// Returns the condition that the store writes as a number.
pub(super) const fn condition_of(state: i64) -> Condition {
    match state {
        0 => Condition::Synced,
        1 => Condition::OutOfSync,
        2 => Condition::Stale,
        _ => Condition::Ended,
    }
}

pub(super) fn pair_of(row: &SqliteRow) -> Result<usize, StoreError> {
    let pair: i64 = row.try_get("pair")?;
    Ok(usize::try_from(pair).unwrap_or(usize::MAX))
}
