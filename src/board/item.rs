//! What commits store, item by item, so that a commit can be taken apart.

use super::answer::{Answer, Refusal};
use crate::domain::{Capacity, Key, Now, Plan, Refused, Request, Snapshot, Standing};

/// Something that a commit stores, and that can be stored apart from its neighbours.
pub(super) trait Item: Send + Sized + Sync {
    fn key(&self) -> Key;
    /// Plans items in their order.
    fn plan(items: &[&mut Self], snapshot: &Snapshot, capacity: &Capacity, now: Now) -> Plan;
    /// Notes the outcomes of a plan that was stored.
    fn note(items: &mut [&mut Self], plan: &Plan);
}

/// A request, and its answer once that is known.
pub(super) struct Asked<'a> {
    request: &'a Request,
    pub(super) answer: Option<Answer>,
}

impl<'a> Asked<'a> {
    /// Makes the items of a batch, which are not stored yet.
    pub(super) fn all(requests: &[&'a Request]) -> Vec<Self> {
        requests.iter().map(|request| Self { request, answer: None }).collect()
    }

    /// Returns why the domain refuses the request by itself, if it does.
    pub(super) fn refused(
        &self,
        snapshot: &Snapshot,
        capacity: &Capacity,
        now: Now,
    ) -> Option<Refused> {
        let plan = Plan::of(snapshot, [self.request], capacity, now);
        plan.outcomes().iter().find_map(|outcome| outcome.err())
    }
}

impl Item for Asked<'_> {
    fn key(&self) -> Key {
        self.request.to_key()
    }

    fn plan(items: &[&mut Self], snapshot: &Snapshot, capacity: &Capacity, now: Now) -> Plan {
        Plan::of(snapshot, items.iter().map(|item| item.request), capacity, now)
    }

    fn note(items: &mut [&mut Self], plan: &Plan) {
        for (item, outcome) in items.iter_mut().zip(plan.outcomes()) {
            item.answer = Some(outcome.map_err(Refusal::Refused));
        }
    }
}

/// An entry that the clock has changed since it was stored.
impl Item for Standing {
    fn key(&self) -> Key {
        self.entry().report.to_key()
    }

    fn plan(items: &[&mut Self], snapshot: &Snapshot, _: &Capacity, now: Now) -> Plan {
        Plan::settling(snapshot, items.iter().map(|standing| standing.entry().key()), now)
    }

    fn note(_: &mut [&mut Self], _: &Plan) {}
}

/// Returns where sorted items split about in the middle between two keys; `None` if all have the same
/// key.
pub(super) fn middle<T: Item>(items: &[&mut T]) -> Option<usize> {
    let middle = items.get(items.len() / 2)?.key();
    let before = items.partition_point(|item| item.key() < middle);
    let after = items.partition_point(|item| item.key() <= middle);
    let place = if before > 0 { before } else { after };
    (place < items.len()).then_some(place)
}
