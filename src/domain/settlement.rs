//! Settlement: what the clock has done to entries becomes final, in rows and in the history.

use super::{
    Change, Event, KeyRef, Now, Plan, RowChange, Snapshot, Standing, Timestamp, Transition,
};

/// The most entries that are kept because they expired while drifted.
pub const MOST_EXPIRED_DRIFTED: usize = 10_000;

impl Plan {
    /// Plans to store what the clock has done to entries: see [`Snapshot::unsettled`]. Entries that
    /// have changed since, so that there is nothing to store, are left out.
    pub fn settling<'a>(
        snapshot: &Snapshot,
        keys: impl IntoIterator<Item = KeyRef<'a>>,
        now: Now,
    ) -> Self {
        let mut plan = Self::default();
        for key in keys {
            if let Some(standing) = snapshot.find(key).1
                && standing.is_to_be_settled(now)
            {
                let change = plan.settle(snapshot, standing);
                plan.news.extend(change.event.is_some().then_some(change));
            }
        }
        plan
    }

    /// Stores what the clock has done to an entry: its silence is recorded, and an expired entry is
    /// removed, at once or, if it was drifted, later. See [`Snapshot::unsettled`].
    pub fn settle(&mut self, snapshot: &Snapshot, standing: &Standing) -> Change {
        let (place, old) = self.find(snapshot, standing.entry().key());
        let old_bytes = old.map_or(0, Standing::row_bytes);
        if standing.is_listed() {
            let silence = Transition::of(standing.entry(), Event::Stale, standing.stale_at());
            let row = RowChange::Put(standing.with_silence_recorded());
            self.add(place, old_bytes, row, vec![silence], true)
        } else if standing.is_expired_drifted() {
            self.add(place, old_bytes, RowChange::Removed(standing.clone()), Vec::new(), false)
        } else {
            self.kept.1 += 1;
            // Everything else in a plan that settles entries may be of the same kind.
            let has_room = snapshot.expired_drifted() + self.rows.len() < MOST_EXPIRED_DRIFTED;
            let row = if has_room && standing.entry().report.is_drifted() {
                RowChange::Put(standing.with_expiry_recorded())
            } else {
                RowChange::Removed(standing.clone())
            };
            self.add(place, old_bytes, row, endings(standing), true)
        }
    }
}

/// Returns the transition of a silence that ends before it could be stored.
pub(super) fn unrecorded_silence(standing: &Standing, now: Now) -> Option<Transition> {
    let is_silent = standing.is_listed() && standing.is_unsettled();
    (is_silent && now.confirms_silence_since(standing.entry().updated_at))
        .then(|| Transition::of(standing.entry(), Event::Stale, standing.stale_at()))
}

/// Whether an entry's time to live is over, and that is recorded or can be believed.
pub(super) fn has_ended(standing: &Standing, now: Now) -> bool {
    standing.is_expired_drifted()
        || !standing.is_listed() && now.confirms_silence_since(standing.entry().updated_at)
}

/// Returns the transitions of an entry whose time to live is over; none if they are recorded.
pub(super) fn endings(standing: &Standing) -> Vec<Transition> {
    if standing.is_expired_drifted() {
        return Vec::new();
    }
    let entry = standing.entry();
    let was_silent = standing.stale_at() < standing.expires_at() && !entry.recorded.stale;
    let silence = was_silent.then(|| Transition::of(entry, Event::Stale, standing.stale_at()));
    let end: Timestamp = standing.expires_at();
    silence.into_iter().chain([Transition::of(entry, Event::Expired, end)]).collect()
}
