//! A segment: some dozens of neighbouring entries, with sums over them.
//!
//! Segments are what a change copies: the state shares all others with the state before.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use super::{Deadlines, Derived, Entry, KeyRef, Mark, Now, Policy, Timestamp};

/// How many entries a segment is filled with; it is split when it has twice as many. With fewer a
/// change costs less, since its segment is compressed anew; with more the list compresses better.
pub(super) const SEGMENT_ENTRIES: usize = 64;
/// How many bytes of entries a segment is filled with, likewise.
const SEGMENT_WEIGHT: usize = 64 * 1024;

/// An entry in its place, with what the clock says of it.
#[derive(Clone, Debug)]
pub struct Standing {
    entry: Arc<Entry>,
    deadlines: Deadlines,
    mark: Mark,
    /// See [`super::Report::row_bytes`].
    report_bytes: u32,
    content: u128,
}

impl Standing {
    /// Places an entry at a moment.
    #[must_use]
    pub fn new(entry: Arc<Entry>, policy: &Policy, now: Timestamp) -> Self {
        let deadlines = policy.deadlines(entry.report.schedule, entry.updated_at, now);
        let content = entry.fingerprint();
        let report_bytes = entry.report.row_bytes();
        Self { entry, deadlines, mark: deadlines.mark(now), report_bytes, content }
    }

    /// Returns the same once the history knows of the silence. The deadlines stay: those of an
    /// update from the future count from when it was first seen to be one.
    pub(super) fn with_silence_recorded(&self) -> Self {
        let entry = Entry { stale_recorded: true, ..Entry::clone(&self.entry) };
        Self { entry: Arc::new(entry), ..*self }
    }

    /// Returns the entry.
    #[must_use]
    pub fn entry(&self) -> &Arc<Entry> {
        &self.entry
    }

    pub(super) fn report_bytes(&self) -> u32 {
        self.report_bytes
    }

    /// Whether the reporter has fallen silent.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.mark != Mark::Fresh
    }

    /// Whether the entry is in answers.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        self.mark != Mark::Expired
    }

    /// Returns when the entry expires; [`Timestamp::NEVER`] if it doesn't.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.deadlines.expires_at
    }

    /// Returns when the entry becomes stale; [`Timestamp::NEVER`] if it doesn't.
    #[must_use]
    pub fn stale_at(&self) -> Timestamp {
        self.deadlines.stale_at
    }

    /// Whether the clock says more of the entry than the store knows yet.
    pub(super) fn is_unsettled(&self) -> bool {
        match self.mark {
            Mark::Fresh => false,
            Mark::Stale => !self.entry.stale_recorded,
            Mark::Expired => true,
        }
    }

    /// Whether answers show the same of both.
    pub(super) fn shows_the_same_as(&self, other: &Self) -> bool {
        self.fingerprint() == other.fingerprint()
    }

    /// A fingerprint of what answers show of the entry; 0 if they don't.
    fn fingerprint(&self) -> u128 {
        if !self.is_listed() {
            return 0;
        }
        let mut shown = [0; 25];
        let (content, rest) = shown.split_at_mut(16);
        content.copy_from_slice(&self.content.to_le_bytes());
        let (expires_at, stale) = rest.split_at_mut(8);
        expires_at.copy_from_slice(&self.deadlines.expires_at.millis().to_le_bytes());
        stale.fill(u8::from(self.is_stale()));
        xxh3_128(&shown)
    }
}

/// Neighbouring entries in the order of their keys.
#[derive(Clone, Debug, Default)]
pub struct Segment {
    standings: Vec<Standing>,
    weight: usize,
    row_bytes: u64,
    listed: usize,
    unsettled: usize,
    /// No mark changes before this moment (at it, perhaps none).
    next_change: Timestamp,
    fingerprint: u128,
    derived: Derived,
}

impl Segment {
    /// Makes a segment of standings that are in order.
    pub(super) fn new(standings: Vec<Standing>) -> Self {
        let mut segment = Self { next_change: Timestamp::NEVER, ..Self::default() };
        for standing in &standings {
            segment.count_in(standing);
        }
        segment.standings = standings;
        segment
    }

    /// Returns the entries in order, also those that have expired and are not yet taken out.
    #[must_use]
    pub fn standings(&self) -> &[Standing] {
        &self.standings
    }

    /// Returns how many entries are in answers.
    #[must_use]
    pub fn listed(&self) -> usize {
        self.listed
    }

    /// Estimates how many bytes the entries take, see [`super::Report::weight`].
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

    /// Returns a sum over what answers show: equal for equal answers, in every process.
    pub(super) fn fingerprint(&self) -> u128 {
        self.fingerprint
    }

    pub(super) fn next_change(&self) -> Timestamp {
        self.next_change
    }

    pub(super) fn unsettled(&self) -> usize {
        self.unsettled
    }

    pub(super) fn starts_at_or_before(&self, key: KeyRef<'_>) -> bool {
        self.standings.first().is_some_and(|standing| standing.entry.key() <= key)
    }

    /// Finds a key: its place, or the place where it belongs.
    pub(super) fn find(&self, key: KeyRef<'_>) -> Result<usize, usize> {
        self.standings.binary_search_by(|standing| standing.entry.key().cmp(&key))
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
        self.derived = Derived::default();
    }

    pub(super) fn remove(&mut self, place: usize) {
        let removed = self.standings.remove(place);
        self.count_out(&removed);
        self.derived = Derived::default();
    }

    /// Whether two segments should be made of this one.
    pub(super) fn is_too_large(&self) -> bool {
        let too_heavy = self.weight > 2 * SEGMENT_WEIGHT && self.standings.len() > 1;
        self.standings.len() > 2 * SEGMENT_ENTRIES || too_heavy
    }

    /// Whether this segment and the next should be made one.
    pub(super) fn is_small_beside(&self, next: &Self) -> bool {
        self.standings.len() + next.standings.len() <= SEGMENT_ENTRIES / 2
            && self.weight + next.weight <= SEGMENT_WEIGHT
    }

    /// Takes off the second half.
    pub(super) fn split(&mut self) -> Self {
        let second = self.standings.split_off(self.standings.len() / 2);
        self.recount();
        Self::new(second)
    }

    /// Makes the marks what they are at a moment.
    pub(super) fn remark(&mut self, now: Timestamp) {
        for standing in &mut self.standings {
            standing.mark = standing.deadlines.mark(now);
        }
        self.recount();
    }

    /// Works out deadlines and marks anew, after the clock was set.
    pub(super) fn reschedule(&mut self, policy: &Policy, now: Now) {
        for standing in &mut self.standings {
            let (schedule, updated_at) =
                (standing.entry.report.schedule, standing.entry.updated_at);
            standing.deadlines = policy.deadlines(schedule, updated_at, now.at);
            standing.mark = standing.deadlines.mark(now.at);
        }
        self.recount();
    }

    fn recount(&mut self) {
        *self = Self::new(std::mem::take(&mut self.standings));
    }

    fn count_in(&mut self, standing: &Standing) {
        self.weight += standing.entry.report.weight();
        self.row_bytes += standing.row_bytes();
        self.listed += usize::from(standing.is_listed());
        self.unsettled += usize::from(standing.is_unsettled());
        self.fingerprint = self.fingerprint.wrapping_add(standing.fingerprint());
        self.next_change = self.next_change.min(standing.deadlines.next_change(standing.mark));
    }

    fn count_out(&mut self, standing: &Standing) {
        self.weight -= standing.entry.report.weight();
        self.row_bytes -= standing.row_bytes();
        self.listed -= usize::from(standing.is_listed());
        self.unsettled -= usize::from(standing.is_unsettled());
        self.fingerprint = self.fingerprint.wrapping_sub(standing.fingerprint());
    }
}
