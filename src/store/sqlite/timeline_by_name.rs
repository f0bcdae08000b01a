//! Reading the timelines of names.
//!
//! Few transitions are read by entry. Of more, those of all entries are read once, in the order of
//! time. Only beyond that are they sought by entry and step.

use std::collections::HashMap;

use futures_util::TryStreamExt;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;
use tokio::task::coop::consume_budget;

use super::pairs;
use super::timeline::{condition_of, has_few_points, is_at_most, last_seen, pair_of, read_steps};
use crate::domain::{
    Condition, Grouping, Key, KeyRef, Phase, TimeStep, TimelineByName, TimelineQuery, Timestamp,
};
use crate::store::StoreError;

/// How an entry counts after a transition: a drifted one is out of sync, whatever its state.
macro_rules! state_in_sum {
    () => {
        "iif(state < 3 and (sync_status = 'OUT_OF_SYNC' or drift_count > 0), 1, state)"
    };
}

/// The transitions of some pairs in a range, in the order of time.
const OF_PAIRS: &str = concat!(
    "select pair.key as pair, at, ",
    state_in_sum!(),
    " as state \
    from json_each($1) as pair cross join transitions \
    where repo = pair.value ->> 0 and server = pair.value ->> 1 and state in (0, 1, 2, 3) \
        and at >= $2 and at < $3 \
    order by at, transitions.id"
);

/// The transitions of all pairs in a range, in the order of time.
const OF_ALL: &str = concat!(
    "select at, ",
    state_in_sum!(),
    ", repo, server from transitions where at >= $1 and at < $2 order by at, id"
);

/// The number of transitions of all pairs in a range, up to `$3`.
const COUNT: &str =
    "select count(*) from (select 1 from transitions where at >= $1 and at < $2 limit $3)";

/// Reads the phases of names, given the entries that they sum up.
pub(super) async fn read(
    connection: &mut SqliteConnection,
    query: &TimelineQuery,
    keys: &[Key],
    grouping: &Grouping,
) -> Result<(Vec<Phase>, Option<TimeStep>), StoreError> {
    let pairs = pairs::parameter(keys)?;
    let are_few = has_few_points(connection, &pairs, query).await?;
    if !are_few
        && !can_pass_by(connection, query).await?
        && let Some(step) = query.step_for(grouping.lines.len(), keys.len())
    {
        let mut phases = read_steps(connection, &pairs, query, step).await?;
        phases.sort_unstable_by_key(|phase| (phase.at, phase.line));
        let gone = vec![Condition::Ended; keys.len()];
        let mut timeline = TimelineByName::new(query, grouping, gone);
        for Phase { at, line: entry, condition } in phases {
            timeline.take(at, entry, condition);
        }
        return Ok((timeline.finish().0, Some(step)));
    }
    let before = read_before(connection, query, &pairs, keys.len()).await?;
    let mut timeline = TimelineByName::new(query, grouping, before);
    if are_few {
        take_pairs(connection, query, &pairs, &mut timeline).await?;
    } else {
        take_all(connection, query, keys, &mut timeline).await?;
    }
    Ok(timeline.finish())
}

async fn can_pass_by(
    connection: &mut SqliteConnection,
    query: &TimelineQuery,
) -> Result<bool, StoreError> {
    is_at_most(connection, sqlx::query_scalar(COUNT), query.range, query.most_passed_by).await
}

/// Reads how each entry stood just before the range.
async fn read_before(
    connection: &mut SqliteConnection,
    query: &TimelineQuery,
    pairs: &str,
    count: usize,
) -> Result<Vec<Condition>, StoreError> {
    let mut before = vec![Condition::Ended; count];
    let start = [query.range.from].into_iter();
    last_seen(connection, pairs, query.lines, start, |pair, _, seen| {
        if let (Some(place), Some(condition)) = (before.get_mut(pair), seen.latest()) {
            *place = condition;
        }
    })
    .await?;
    Ok(before)
}

async fn take_pairs(
    connection: &mut SqliteConnection,
    query: &TimelineQuery,
    pairs: &str,
    timeline: &mut TimelineByName<'_>,
) -> Result<(), StoreError> {
    let question = sqlx::query(OF_PAIRS)
        .bind(pairs.to_owned())
        .bind(query.range.from.millis())
        .bind(query.range.to.millis());
    let mut rows = question.fetch(connection);
    while let Some(row) = rows.try_next().await? {
        consume_budget().await;
        let at = Timestamp::from_millis(row.try_get("at")?);
        timeline.take(at, pair_of(&row)?, condition_of(row.try_get("state")?));
    }
    Ok(())
}

async fn take_all(
    connection: &mut SqliteConnection,
    query: &TimelineQuery,
    keys: &[Key],
    timeline: &mut TimelineByName<'_>,
) -> Result<(), StoreError> {
    let entries: HashMap<KeyRef<'_>, usize> =
        keys.iter().enumerate().map(|(entry, key)| (key.borrow(), entry)).collect();
    let question =
        sqlx::query(OF_ALL).bind(query.range.from.millis()).bind(query.range.to.millis());
    let mut rows = question.fetch(connection);
    while let Some(row) = rows.try_next().await? {
        consume_budget().await;
        let key = KeyRef { repo: row.try_get(2)?, server: row.try_get(3)? };
        if let Some(entry) = entries.get(&key) {
            let at = Timestamp::from_millis(row.try_get(0)?);
            timeline.take(at, *entry, condition_of(row.try_get(1)?));
        }
    }
    Ok(())
}
