//! What commits store, item by item, so that a commit can be taken apart.

use super::board::Refusal;
use crate::domain::{Capacity, Done, Key, Now, Plan, Request, Snapshot, Standing};

/// Something that a commit stores, and that can be stored apart from its neighbours.
pub(super) trait Item: Send + Sized + Sync {
    fn key(&self) -> Key;
    /// Plans items in their order.
    fn plan(items: &[Self], snapshot: &Snapshot, capacity: &Capacity, now: Now) -> Plan;
    /// Notes the outcomes of a plan that was stored.
    fn note(items: &mut [Self], plan: &Plan);
}

/// A request, its place in the batch, and its answer.
pub(super) struct Asked<'a> {
    pub(super) position: usize,
    request: &'a Request,
    pub(super) answer: Result<Done, Refusal>,
}

impl<'a> Asked<'a> {
    /// Makes the items of a batch, which are not stored yet.
    pub(super) fn all(requests: &[&'a Request]) -> Vec<Self> {
        let asked = |(position, request): (usize, &&'a Request)| Self {
            position,
            request,
            answer: Err(Refusal::NotStored),
        };
        requests.iter().enumerate().map(asked).collect()
    }
}

impl Item for Asked<'_> {
    fn key(&self) -> Key {
        self.request.to_key()
    }

    fn plan(items: &[Self], snapshot: &Snapshot, capacity: &Capacity, now: Now) -> Plan {
        Plan::of(snapshot, items.iter().map(|item| item.request), capacity, now)
    }

    fn note(items: &mut [Self], plan: &Plan) {
        for (item, outcome) in items.iter_mut().zip(plan.outcomes()) {
            item.answer = outcome.map_err(Refusal::Refused);
        }
    }
}

/// An entry that the clock has changed since it was stored.
impl Item for Standing {
    fn key(&self) -> Key {
        self.entry().report.to_key()
    }

    fn plan(items: &[Self], snapshot: &Snapshot, _: &Capacity, now: Now) -> Plan {
        Plan::settling(snapshot, items.iter().map(|standing| standing.entry().key()), now)
    }

    fn note(_: &mut [Self], _: &Plan) {}
}

/// Splits sorted items about in the middle, between two keys. Returns them as they are if all have
/// the same key.
pub(super) fn split<T: Item>(items: &mut [T]) -> Result<(&mut [T], &mut [T]), &mut [T]> {
    let Some(middle) = items.get(items.len() / 2).map(Item::key) else { return Err(items) };
    let before = items.partition_point(|item| item.key() < middle);
    let after = items.partition_point(|item| item.key() <= middle);
    let place = if before > 0 { before } else { after };
    if place == items.len() { Err(items) } else { Ok(items.split_at_mut(place)) }
}
