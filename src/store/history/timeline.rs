//! Reading timelines.
//!
//! Few transitions are read one by one. Of many, seeks read only those that the steps need, so the
//! cost depends on the number of steps, not on the size of the history.

use super::records::{Pairs, Records};
use super::timeline_by_name;
use crate::domain::{
    Grouping, Key, LastSeen, LineKind, Names, Past, Phase, Phases, TimeRange, TimeStep, Timeline,
    TimelineQuery, Timestamp,
};
use crate::store::{KeyPredicate, StoreError};

/// The number of pairs that are examined for each that may be shown. Many of them can be long gone.
const LOOKED_AT: usize = 20;

/// Reads the timeline of the entries that pass, or `None` if there are more than the query takes.
pub(in crate::store) async fn read_timeline<R: Records>(
    records: &mut R,
    query: TimelineQuery,
    repos: &Names,
    passes: KeyPredicate<'_>,
) -> Result<Option<Timeline>, StoreError> {
    let most = query.most_entries().saturating_mul(LOOKED_AT);
    let Pairs::Few(keys) = records.find_pairs(repos, most, passes).await? else {
        return Ok(None);
    };
    let Some(range) = within_extent(records, query.range).await? else {
        return Ok(Some(Timeline::default()));
    };
    let query = TimelineQuery { range, ..query };
    let keys = in_range(records, keys, range).await?;
    let grouping = Grouping::new(&keys, query.lines);
    if keys.len() > query.most_entries() || grouping.lines.len() > query.limit {
        return Ok(None);
    }
    let (phases, step) = match query.lines {
        LineKind::Entry => read_entries(records, &query, &keys).await?,
        LineKind::Repo | LineKind::Server => {
            timeline_by_name::read(records, &query, &keys, &grouping).await?
        }
    };
    Ok(Some(Timeline::new(grouping.lines, phases, step)))
}

/// Reads the phases of entries, each of which is a line.
async fn read_entries<R: Records>(
    records: &mut R,
    query: &TimelineQuery,
    keys: &[Key],
) -> Result<(Vec<Phase>, Option<TimeStep>), StoreError> {
    let pairs = R::pairs_of(keys)?;
    if let Some(step) = query.step_for(keys.len(), keys.len())
        && !records.has_at_most(Some(&pairs), query.range, query.most_points).await?
    {
        return Ok((read_steps(records, &pairs, query, step).await?, Some(step)));
    }
    Ok(query.show(&read_lives(records, &pairs, keys.len(), query).await?))
}

/// Reads the phases of entries, divided into steps, entry by entry.
pub(super) async fn read_steps<R: Records>(
    records: &mut R,
    pairs: &R::Pairs,
    query: &TimelineQuery,
    step: TimeStep,
) -> Result<Vec<Phase>, StoreError> {
    let mut phases = Phases::default();
    let ends = step.starts(query.range).chain([query.range.to]).collect();
    let take = &mut |pair, (end, seen)| phases.take(pair, end, seen);
    records.last_seen(pairs, ends, query.lines.sums_up(), take).await?;
    Ok(phases.finish())
}

/// Drops the pairs that have nothing to show in a range.
async fn in_range<R: Records>(
    records: &mut R,
    keys: Vec<Key>,
    range: TimeRange,
) -> Result<Vec<Key>, StoreError> {
    let shown = records.in_range(&R::pairs_of(&keys)?, range).await?;
    let mut shown = shown.into_iter().peekable();
    let numbered = keys.into_iter().enumerate();
    Ok(numbered.filter_map(|(place, key)| shown.next_if_eq(&place).map(|_| key)).collect())
}

/// Cuts a range to the extent of the history, so that no steps are spent outside it.
async fn within_extent<R: Records>(
    records: &mut R,
    range: TimeRange,
) -> Result<Option<TimeRange>, StoreError> {
    let Some((first, last)) = records.extent().await? else { return Ok(None) };
    let TimeRange { from, to } = range;
    let after = |moment: Timestamp| Timestamp::from_millis(moment.millis().saturating_add(1));
    let from = from.max(first).max(Timestamp::from_millis(0));
    // At least a millisecond is left, to show the state at the start of the range.
    let end = after(last).max(after(from));
    Ok((from < to).then_some(TimeRange { from, to: to.min(end) }))
}

/// Reads every transition in a range, and how each entry stood before it.
async fn read_lives<R: Records>(
    records: &mut R,
    pairs: &R::Pairs,
    count: usize,
    query: &TimelineQuery,
) -> Result<Vec<Past>, StoreError> {
    let TimelineQuery { range, lines, .. } = *query;
    let mut pasts: Vec<Past> = (0..count).map(|line| Past { line, ..Past::default() }).collect();
    let take = &mut |pair: usize, (_, seen): (Timestamp, LastSeen)| {
        if let Some(past) = pasts.get_mut(pair) {
            past.carried = seen.latest();
        }
    };
    records.last_seen(pairs, vec![range.from], lines.sums_up(), take).await?;
    let take = &mut |pair: usize, point| {
        if let Some(past) = pasts.get_mut(pair) {
            past.points.push(point);
        }
    };
    records.points(pairs, range, take).await?;
    Ok(pasts)
}
