//! Reading the timelines of names.
//!
//! Few transitions are read by entry. Of more, those of all entries are read once, in the order of
//! time. Only beyond that are they sought by entry and step.

use std::collections::HashMap;

use super::records::Records;
use super::timeline::read_steps;
use crate::domain::{
    Condition, Grouping, Key, KeyRef, LastSeen, Phase, TimeStep, TimelineByName, TimelineQuery,
    Timestamp,
};
use crate::store::StoreError;

/// Reads the phases of names, given the entries that they sum up.
pub(super) async fn read<R: Records>(
    records: &mut R,
    query: &TimelineQuery,
    keys: &[Key],
    grouping: &Grouping,
) -> Result<(Vec<Phase>, Option<TimeStep>), StoreError> {
    let pairs = R::pairs_of(keys)?;
    let are_few = records.has_at_most(Some(&pairs), query.range, query.most_points).await?;
    if !are_few
        && !records.has_at_most(None, query.range, query.most_passed_by).await?
        && let Some(step) = query.step_for(grouping.lines.len(), keys.len())
    {
        let mut phases = read_steps(records, &pairs, query, step).await?;
        phases.sort_unstable_by_key(|phase| (phase.at, phase.line));
        let gone = vec![Condition::Ended; keys.len()];
        let mut timeline = TimelineByName::new(query, grouping, gone);
        for Phase { at, line: entry, condition } in phases {
            timeline.take(at, entry, condition);
        }
        return Ok((timeline.finish().0, Some(step)));
    }
    let before = read_before(records, query, &pairs, keys.len()).await?;
    let mut timeline = TimelineByName::new(query, grouping, before);
    if are_few {
        let take = &mut |entry, (at, condition)| timeline.take(at, entry, condition);
        records.points_in_sum(&pairs, query.range, take).await?;
    } else {
        let entries: HashMap<KeyRef<'_>, usize> =
            keys.iter().enumerate().map(|(entry, key)| (key.borrow(), entry)).collect();
        let take = &mut |key: KeyRef<'_>, at, condition| {
            if let Some(entry) = entries.get(&key) {
                timeline.take(at, *entry, condition);
            }
        };
        records.all_in_sum(query.range, take).await?;
    }
    Ok(timeline.finish())
}

/// Reads how each entry stood just before the range.
async fn read_before<R: Records>(
    records: &mut R,
    query: &TimelineQuery,
    pairs: &R::Pairs,
    count: usize,
) -> Result<Vec<Condition>, StoreError> {
    let mut before = vec![Condition::Ended; count];
    let take = &mut |pair: usize, (_, seen): (Timestamp, LastSeen)| {
        if let (Some(place), Some(condition)) = (before.get_mut(pair), seen.latest()) {
            *place = condition;
        }
    };
    records.last_seen(pairs, vec![query.range.from], query.lines.sums_up(), take).await?;
    Ok(before)
}
