//! A segment: some dozens of neighbouring entries, with sums over them.
//!
//! A change copies one segment; the snapshot shares all others with the snapshot before.

use super::{Derived, KeyRef, Policy, Standing, Timestamp};

/// How many entries fill a segment; it is split at twice as many. With fewer, a change costs less,
/// since its segment is compressed again; with more, the list compresses better.
pub(super) const SEGMENT_ENTRIES: usize = 64;
/// Which [weight](Segment::weight) of entries fills a segment; it is split at twice as much.
const SEGMENT_WEIGHT: usize = 64 * 1024;

/// Neighbouring entries in the order of their keys.
#[derive(Clone, Debug, Default)]
pub struct Segment {
    standings: Vec<Standing>,
    weight: usize,
    row_bytes: u64,
    listed: usize,
    unsettled: usize,
    expired_drifted: usize,
    /// A lower bound of the entries' next deadlines.
    next_deadline: Timestamp,
    fingerprint: u128,
    derived: Derived,
}

impl Segment {
    /// Makes a segment of entries that are in order.
    pub(super) fn new(standings: Vec<Standing>) -> Self {
        let mut segment = Self { next_deadline: Timestamp::NEVER, ..Self::default() };
        for standing in &standings {
            segment.count_in(standing);
        }
        segment.standings = standings;
        segment
    }

    /// Returns the entries in order, including expired ones that have not been removed yet.
    #[must_use]
    pub fn standings(&self) -> &[Standing] {
        &self.standings
    }

    /// Returns how many entries answers show.
    #[must_use]
    pub fn listed(&self) -> usize {
        self.listed
    }

    /// Returns the sum of [`super::Report::weight`], an estimate of the entries' size.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// Returns the sum of [`Standing::row_bytes`].
    pub(super) fn row_bytes(&self) -> u64 {
        self.row_bytes
    }

    /// Returns the cell for what others compute from this segment.
    #[must_use]
    pub fn derived(&self) -> &Derived {
        &self.derived
    }

    /// Returns the sum of [`Standing::fingerprint`]: equal for equal answers, in every process.
    pub(super) fn fingerprint(&self) -> u128 {
        self.fingerprint
    }

    pub(super) fn next_deadline(&self) -> Timestamp {
        self.next_deadline
    }

    pub(super) fn unsettled(&self) -> usize {
        self.unsettled
    }

    pub(super) fn expired_drifted(&self) -> usize {
        self.expired_drifted
    }

    pub(super) fn starts_at_or_before(&self, key: KeyRef<'_>) -> bool {
        self.standings.first().is_some_and(|standing| standing.entry().key() <= key)
    }

    /// Returns the place of a key, or the place where it belongs.
    pub(super) fn find(&self, key: KeyRef<'_>) -> Result<usize, usize> {
        self.standings.binary_search_by(|standing| standing.entry().key().cmp(&key))
    }

    pub(super) fn insert(&mut self, place: usize, standing: Standing) {
        self.count_in(&standing);
        self.standings.insert(place, standing);
        self.derived = Derived::default();
    }

    pub(super) fn replace(&mut self, place: usize, standing: Standing) {
        self.count_in(&standing);
        let Some(present) = self.standings.get_mut(place) else { return };
        let old = std::mem::replace(present, standing);
        self.count_out(&old);
        self.derived.place_changed(place, self.standings.len());
    }

    pub(super) fn remove(&mut self, place: usize) {
        let removed = self.standings.remove(place);
        self.count_out(&removed);
        self.derived = Derived::default();
    }

    /// Whether to split this segment in two.
    pub(super) fn is_too_large(&self) -> bool {
        let too_heavy = self.weight > 2 * SEGMENT_WEIGHT && self.standings.len() > 1;
        self.standings.len() > 2 * SEGMENT_ENTRIES || too_heavy
    }

    /// Whether to join this segment and the next.
    pub(super) fn is_small_beside(&self, next: &Self) -> bool {
        self.standings.len() + next.standings.len() <= SEGMENT_ENTRIES / 2
            && self.weight + next.weight <= SEGMENT_WEIGHT
    }

    /// Splits off the second half.
    pub(super) fn split(&mut self) -> Self {
        let second = self.standings.split_off(self.standings.len() / 2);
        self.recount();
        Self::new(second)
    }

    /// Updates what is shown of the entries to a moment.
    pub(super) fn advance(&mut self, now: Timestamp) {
        self.standings.iter_mut().for_each(|standing| standing.advance(now));
        self.recount();
    }

    /// Computes all deadlines again, after the clock was set, and what is shown.
    pub(super) fn reschedule(&mut self, policy: &Policy, now: Timestamp) {
        self.standings.iter_mut().for_each(|standing| standing.reschedule(policy, now));
        self.recount();
    }

    fn recount(&mut self) {
        *self = Self::new(std::mem::take(&mut self.standings));
    }

    fn count_in(&mut self, standing: &Standing) {
        self.weight += standing.entry().report.weight();
        self.row_bytes += standing.row_bytes();
        self.listed += usize::from(standing.is_listed());
        self.unsettled += usize::from(standing.is_unsettled());
        self.expired_drifted += usize::from(standing.is_expired_drifted());
        self.fingerprint = self.fingerprint.wrapping_add(standing.fingerprint());
        self.next_deadline = self.next_deadline.min(standing.next_deadline());
    }

    fn count_out(&mut self, standing: &Standing) {
        self.weight -= standing.entry().report.weight();
        self.row_bytes -= standing.row_bytes();
        self.listed -= usize::from(standing.is_listed());
        self.unsettled -= usize::from(standing.is_unsettled());
        self.expired_drifted -= usize::from(standing.is_expired_drifted());
        self.fingerprint = self.fingerprint.wrapping_sub(standing.fingerprint());
    }
}
