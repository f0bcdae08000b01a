//! The snapshot: every entry, and what the passing of time does to it.
//!
//! A copy is cheap: it shares its segments with the original until one of them changes. While
//! nobody holds a copy, changes are made in place.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::hints::Hints;
use super::plan::Planned;
use super::segment::SEGMENT_ENTRIES;
use super::{
    Entry, Key, KeyRef, Now, Plan, Policy, RepoName, RowChange, Segment, Standing, Timestamp,
};

/// The number of a commit: each one is one more than the one before.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Revision(pub i64);

impl Revision {
    /// Returns the revision after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// What a store knows that a snapshot does not.
#[derive(Clone, Debug)]
pub struct Changes {
    /// The revision after all of it.
    pub revision: Revision,
    /// Entries as they are now.
    pub put: Vec<Arc<Entry>>,
    /// Pairs that have no entry any more.
    pub removed: Vec<Key>,
}

/// How many segments are marked at once: few enough not to hold up an update when very many
/// entries turn stale or expire at one moment.
const MARKED_AT_ONCE: usize = 128;

/// The number of a segment, and a place in it.
pub type Place = (usize, usize);

/// Every entry at one revision.
#[derive(Clone, Debug)]
pub struct Snapshot {
    policy: Policy,
    revision: Revision,
    segments: Vec<Arc<Segment>>,
    kept: usize,
    row_bytes: u64,
    /// How many entries' marks say more than the store knows.
    unsettled: usize,
    /// No mark changes before this moment (at it, perhaps none): with very many segments, to ask
    /// each of them would cost an update more than all else that is done for it here.
    next_change: Timestamp,
    hints: Arc<Hints>,
    memo: WholeMemo,
}

/// What is worked out of a whole snapshot once it is asked for; forgotten by copies.
#[derive(Debug, Default)]
struct WholeMemo {
    fingerprint: OnceLock<u128>,
    listed: OnceLock<usize>,
    packed: OnceLock<Bytes>,
}

impl Clone for WholeMemo {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Snapshot {
    /// Makes the snapshot of stored entries, in any order, as it is at a moment.
    #[must_use]
    pub fn load(
        policy: Policy,
        revision: Revision,
        mut entries: Vec<Arc<Entry>>,
        now: Now,
    ) -> Self {
        entries.sort_by(|a, b| a.key().cmp(&b.key()));
        let mut snapshot = Self {
            policy,
            revision,
            segments: Vec::new(),
            kept: entries.len(),
            row_bytes: 0,
            unsettled: 0,
            next_change: Timestamp::NEVER,
            hints: Arc::new(Hints::for_entries(entries.len())),
            memo: WholeMemo::default(),
        };
        let mut rest = entries.into_iter().peekable();
        while rest.peek().is_some() {
            let part = rest.by_ref().take(SEGMENT_ENTRIES);
            let standings = part.map(|entry| Standing::new(entry, &policy, now.at)).collect();
            snapshot.push_within_limits(Segment::new(standings));
        }
        snapshot.recount();
        snapshot
    }

    /// Returns the settings for the life of entries.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Returns the revision that the entries are of.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Returns all segments in the order of their keys.
    #[must_use]
    pub fn segments(&self) -> &[Arc<Segment>] {
        &self.segments
    }

    /// Returns how many entries are in answers.
    #[must_use]
    pub fn listed(&self) -> usize {
        let count = || self.segments.iter().map(|segment| segment.listed()).sum();
        *self.memo.listed.get_or_init(count)
    }

    /// Returns how many entries are kept, with those that have expired and may yet come back.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.kept
    }

    /// Returns how many bytes all that is kept takes as rows of the plain list, see
    /// [`Standing::row_bytes`].
    #[must_use]
    pub fn row_bytes(&self) -> u64 {
        self.row_bytes
    }

    /// Returns a fingerprint of all that answers show: equal fingerprints, equal answers,
    /// also in another process with the same store or a copy of it.
    #[must_use]
    pub fn fingerprint(&self) -> u128 {
        let parts = || self.segments.iter().map(|segment| segment.fingerprint());
        *self.memo.fingerprint.get_or_init(|| parts().fold(0, u128::wrapping_add))
    }

    /// Returns the place for the whole snapshot as others compress it; see [`super::Memo`].
    #[must_use]
    pub fn packed(&self) -> &OnceLock<Bytes> {
        &self.memo.packed
    }

    /// Returns the entry of a pair, unless it has expired.
    #[must_use]
    pub fn get(&self, key: KeyRef<'_>) -> Option<&Standing> {
        self.find(key).1.filter(|standing| standing.is_listed())
    }

    /// Returns where a key is or belongs: a segment (0 if there is none) and a place in it.
    pub(super) fn locate(&self, key: KeyRef<'_>) -> (usize, Result<usize, usize>) {
        let after = self.segments.partition_point(|segment| segment.starts_at_or_before(key));
        let index = after.saturating_sub(1);
        let place = self.segments.get(index).map_or(Err(0), |segment| segment.find(key));
        (index, place)
    }

    /// Returns where a pair is or belongs, and its entry, expired or not.
    pub(super) fn find(&self, key: KeyRef<'_>) -> (Place, Option<&Standing>) {
        let guess = self.hints.guess(key);
        if let Some(standing) = self.standing_of(key, guess) {
            return (guess, Some(standing));
        }
        match self.locate(key) {
            (index, Ok(place)) => {
                self.hints.note(key, (index, place));
                ((index, place), self.standing((index, place)))
            }
            (index, Err(place)) => ((index, place), None),
        }
    }

    /// Returns room for the hints of so many entries, unless there is enough.
    pub(super) fn larger_hints(&self, entries: usize) -> Option<Arc<Hints>> {
        let are_too_few = self.hints.are_too_few_for(entries);
        are_too_few.then(|| Arc::new(Hints::for_entries(entries)))
    }

    /// Returns what is in a place, if it is the entry of this key.
    fn standing_of(&self, key: KeyRef<'_>, place: Place) -> Option<&Standing> {
        self.standing(place).filter(|standing| standing.entry().key() == key)
    }

    fn standing(&self, (index, place): Place) -> Option<&Standing> {
        self.segments.get(index)?.standings().get(place)
    }

    /// Takes over what a batch has made of this snapshot, once it is stored.
    pub fn accept(&mut self, plan: &Plan, revision: Revision) {
        self.revision = revision;
        for Planned { row, place } in plan.planned() {
            let key = row.entry().key();
            let guessed = self.standing_of(key, *place).is_some();
            let (index, place) = if guessed { (place.0, Ok(place.1)) } else { self.locate(key) };
            match (row, place) {
                (RowChange::Put(standing) | RowChange::Seen(standing), place) => {
                    self.place(index, place, standing.clone());
                }
                (RowChange::Removed(_), Ok(place)) => self.take_out(index, place),
                (RowChange::Removed(_), Err(_)) => {}
            }
        }
        if let Some(hints) = plan.hints() {
            self.hints = Arc::clone(hints);
        }
    }

    /// Whether [`Self::mark`] may find a mark to change.
    #[must_use]
    pub fn has_marks_due(&self, now: Now) -> bool {
        self.next_change <= now.at
    }

    /// Makes marks what they are now, in a bounded number of segments; [`Self::has_marks_due`] says
    /// whether some are left.
    ///
    /// Nothing of this needs storing: marks follow from the entries and the clock.
    pub fn mark(&mut self, now: Now) {
        if !self.has_marks_due(now) {
            return;
        }
        self.memo = WholeMemo::default();
        let due = self.segments.iter_mut().filter(|segment| segment.next_change() <= now.at);
        for segment in due.take(MARKED_AT_ONCE) {
            Arc::make_mut(segment).remark(now.at);
        }
        self.recount();
    }

    /// Works out all deadlines and marks anew, after the clock was set.
    pub fn reschedule(&mut self, now: Now) {
        self.memo = WholeMemo::default();
        for segment in &mut self.segments {
            Arc::make_mut(segment).reschedule(&self.policy, now);
        }
        self.recount();
    }

    /// Returns at most `limit` entries whose marks say more than the store knows, and are to be
    /// believed: see [`Now::confirms_silence_since`].
    #[must_use]
    pub fn unsettled(&self, now: Now, limit: usize) -> Vec<Standing> {
        if self.unsettled == 0 {
            return Vec::new();
        }
        let segments = self.segments.iter().filter(|segment| segment.unsettled() > 0);
        let unsettled = segments.flat_map(|segment| segment.standings()).filter(|standing| {
            standing.is_unsettled() && now.confirms_silence_since(standing.entry().updated_at)
        });
        unsettled.take(limit).cloned().collect()
    }

    /// Takes over what a store knows better.
    pub fn adopt(&mut self, changes: Changes, now: Now) {
        let Changes { revision, put, removed } = changes;
        for key in removed {
            if let (index, Ok(place)) = self.locate(key.borrow()) {
                self.take_out(index, place);
            }
        }
        for entry in put {
            let (index, place) = self.locate(entry.key());
            self.place(index, place, Standing::new(entry, &self.policy, now.at));
        }
        self.revision = revision;
    }

    fn place(&mut self, index: usize, place: Result<usize, usize>, standing: Standing) {
        self.kept += usize::from(place.is_err());
        if self.segments.is_empty() {
            self.segments.push(Arc::new(Segment::new(Vec::new())));
        }
        self.change(index, |segment| match place {
            Ok(place) => segment.replace(place, standing),
            Err(place) => segment.insert(place, standing),
        });
        let Some(segment) = self.segments.get_mut(index) else { return };
        if segment.is_too_large() {
            let second = Arc::make_mut(segment).split();
            self.segments.insert(index + 1, Arc::new(second));
        }
    }

    fn take_out(&mut self, index: usize, place: usize) {
        self.kept -= 1;
        self.change(index, |segment| segment.remove(place));
        let Some(segment) = self.segments.get(index) else { return };
        if segment.standings().is_empty() {
            self.segments.remove(index);
        } else if let Some([first, second]) = self.segments.get(index..index + 2)
            && first.is_small_beside(second)
        {
            let joined = first.standings().iter().chain(second.standings()).cloned().collect();
            self.segments.splice(index..index + 2, [Arc::new(Segment::new(joined))]);
        }
    }

    /// Changes a segment, and keeps what is known of all of them.
    fn change(&mut self, index: usize, change: impl FnOnce(&mut Segment)) {
        self.memo = WholeMemo::default();
        let Some(segment) = self.segments.get_mut(index).map(Arc::make_mut) else { return };
        self.unsettled -= segment.unsettled();
        self.row_bytes -= segment.row_bytes();
        change(segment);
        self.unsettled += segment.unsettled();
        self.row_bytes += segment.row_bytes();
        self.next_change = self.next_change.min(segment.next_change());
    }

    /// Sums up anew what the segments say.
    fn recount(&mut self) {
        (self.unsettled, self.row_bytes, self.next_change) = (0, 0, Timestamp::NEVER);
        for segment in &self.segments {
            self.unsettled += segment.unsettled();
            self.row_bytes += segment.row_bytes();
            self.next_change = self.next_change.min(segment.next_change());
        }
    }

    fn push_within_limits(&mut self, mut segment: Segment) {
        if segment.is_too_large() {
            let second = segment.split();
            self.push_within_limits(segment);
            self.push_within_limits(second);
        } else {
            self.segments.push(Arc::new(segment));
        }
    }

    /// Returns the name of a repository as a neighbour of this key has it, to be shared.
    pub(super) fn repo_name_beside(&self, key: KeyRef<'_>) -> Option<RepoName> {
        let (index, Err(place)) = self.locate(key) else { return None };
        let standings = self.segments.get(index)?.standings();
        let beside = [place.checked_sub(1), Some(place)].into_iter().flatten();
        let mut names = beside.filter_map(|at| Some(&standings.get(at)?.entry().report.repo));
        names.find(|name| name.as_str() == key.repo).cloned()
    }
}

#[cfg(test)]
mod tests;
