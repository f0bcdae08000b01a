//! The snapshot: all entries at one revision, and how time changes them.
//!
//! A copy is cheap: it shares its segments with the original until one of them changes. Changes are
//! made in place while there is no copy.

use std::sync::{Arc, OnceLock};

use super::positions::Positions;
use super::segment::SEGMENT_ENTRIES;
use super::{
    Changes, Derived, Entry, Head, KeyRef, Now, Outages, Policy, RepoName, Segment, Standing,
    Timestamp,
};

/// How many segments [`Snapshot::advance`] looks into: few enough not to hold up updates when very
/// many entries turn stale or expire at one moment.
const ADVANCED_AT_ONCE: usize = 128;

/// Where an entry is: the index of its segment, and its index in the segment.
pub type Place = (usize, usize);

/// Every entry at one revision.
#[derive(Clone, Debug)]
pub struct Snapshot {
    policy: Arc<Policy>,
    head: Head,
    segments: Vec<Arc<Segment>>,
    /// How many entries there are, in any condition.
    all: usize,
    row_bytes: u64,
    /// How many entries show more than the store knows.
    unsettled: usize,
    expired_drifted: usize,
    /// A lower bound of the segments' next deadlines: with very many segments, asking each of them
    /// would cost an update more than all the rest.
    next_deadline: Timestamp,
    /// Shared with the copies, which write it while others read.
    positions: Arc<Positions>,
    memo: WholeMemo,
}

/// Values computed from the whole snapshot on first use; a copy computes them again.
#[derive(Debug, Default)]
struct WholeMemo {
    fingerprint: OnceLock<u128>,
    listed: OnceLock<usize>,
    derived: Derived,
}

impl Clone for WholeMemo {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Snapshot {
    /// Makes a snapshot of stored entries, which may come in any order.
    #[must_use]
    pub fn load(
        policy: impl Into<Arc<Policy>>,
        head: Head,
        mut entries: Vec<Arc<Entry>>,
        now: Now,
    ) -> Self {
        let policy = policy.into();
        entries.sort_by(|a, b| a.key().cmp(&b.key()));
        let mut snapshot = Self {
            policy: Arc::clone(&policy),
            head,
            segments: Vec::new(),
            all: entries.len(),
            row_bytes: 0,
            unsettled: 0,
            expired_drifted: 0,
            next_deadline: Timestamp::NEVER,
            positions: Arc::new(Positions::for_entries(entries.len())),
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

    /// Returns the settings for how long entries last.
    #[must_use]
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// Returns the commit that the entries are of.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head
    }

    /// Returns all segments in the order of the keys.
    #[must_use]
    pub fn segments(&self) -> &[Arc<Segment>] {
        &self.segments
    }

    /// Returns how many entries answers show.
    #[must_use]
    pub fn listed(&self) -> usize {
        let count = || self.segments.iter().map(|segment| segment.listed()).sum();
        *self.memo.listed.get_or_init(count)
    }

    /// Returns how many entries there are, including expired ones that may still come back.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.all - self.expired_drifted
    }

    /// Returns how many entries are kept besides these, because they expired while drifted: see
    /// [`Standing::is_expired_drifted`].
    #[must_use]
    pub fn expired_drifted(&self) -> usize {
        self.expired_drifted
    }

    /// Returns the size of all entries as rows of the plain list, the sum of
    /// [`Standing::row_bytes`].
    #[must_use]
    pub fn row_bytes(&self) -> u64 {
        self.row_bytes
    }

    /// Returns a fingerprint of what answers show. Equal fingerprints mean equal answers, also in
    /// another process with the same store or a copy of it.
    #[must_use]
    pub fn fingerprint(&self) -> u128 {
        let parts = || self.segments.iter().map(|segment| segment.fingerprint());
        *self.memo.fingerprint.get_or_init(|| parts().fold(0, u128::wrapping_add))
    }

    /// Returns the cell for what others compute from the whole snapshot.
    #[must_use]
    pub fn derived(&self) -> &Derived {
        &self.memo.derived
    }

    /// Returns the entry of a key, unless it has expired.
    #[must_use]
    pub fn get(&self, key: KeyRef<'_>) -> Option<&Standing> {
        self.find(key).1.filter(|standing| standing.is_listed())
    }

    /// Returns the entry of a key if it can be removed, though no answer may show it: see
    /// [`Standing::can_be_removed`].
    #[must_use]
    pub fn get_removable(&self, key: KeyRef<'_>) -> Option<&Standing> {
        self.find(key).1.filter(|standing| standing.can_be_removed())
    }

    /// Returns the place of a key, or where it belongs, and its entry, expired or not.
    pub(super) fn find(&self, key: KeyRef<'_>) -> (Place, Option<&Standing>) {
        let guess = self.positions.guess(key);
        if let Some(standing) = self.standing_of(key, guess) {
            return (guess, Some(standing));
        }
        let (index, place) = self.locate(key);
        let segment = self.segments.get(index);
        let standing = place.ok().and_then(|place| segment?.standings().get(place));
        let (Ok(place) | Err(place)) = place;
        if standing.is_some() {
            self.positions.note(key, (index, place));
        }
        ((index, place), standing)
    }

    /// Returns where a key is or belongs: a segment (0 if there is none) and an index in it.
    fn locate(&self, key: KeyRef<'_>) -> (usize, Result<usize, usize>) {
        let after = self.segments.partition_point(|segment| segment.starts_at_or_before(key));
        let index = after.saturating_sub(1);
        let place = self.segments.get(index).map_or(Err(0), |segment| segment.find(key));
        (index, place)
    }

    /// Locates a key that was in a place when the snapshot had fewer changes.
    fn locate_near(&self, key: KeyRef<'_>, (index, place): Place) -> (usize, Result<usize, usize>) {
        let is_there = self.standing_of(key, (index, place)).is_some();
        if is_there { (index, Ok(place)) } else { self.locate(key) }
    }

    /// Returns the entry in a place if it has this key.
    fn standing_of(&self, key: KeyRef<'_>, (index, place): Place) -> Option<&Standing> {
        let standing = self.segments.get(index)?.standings().get(place)?;
        (standing.entry().key() == key).then_some(standing)
    }

    /// Puts an entry in, in place of the one with its key if there is one. Looks at `near` first.
    pub(super) fn put(&mut self, standing: Standing, near: Place) {
        let (index, place) = self.locate_near(standing.entry().key(), near);
        self.put_at(index, place, standing);
    }

    /// Takes an entry out if it is there. Looks at `near` first.
    pub(super) fn remove(&mut self, key: KeyRef<'_>, near: Place) {
        if let (index, Ok(place)) = self.locate_near(key, near) {
            self.remove_at(index, place);
        }
    }

    /// Notes the commit that the entries are of.
    pub(super) fn set_head(&mut self, head: Head) {
        self.head = head;
    }

    /// Whether a deadline may have passed that [`Self::advance`] has not applied.
    #[must_use]
    pub fn has_deadlines_due(&self, now: Now) -> bool {
        self.next_deadline <= now.at
    }

    /// Shows the entries as they stand now, in a bounded number of segments;
    /// [`Self::has_deadlines_due`] says whether some are left.
    ///
    /// None of this needs storing: it follows from the entries and the clock.
    pub fn advance(&mut self, now: Now) {
        if !self.has_deadlines_due(now) {
            return;
        }
        self.memo = WholeMemo::default();
        let due = self.segments.iter_mut().filter(|segment| segment.next_deadline() <= now.at);
        for segment in due.take(ADVANCED_AT_ONCE) {
            Arc::make_mut(segment).advance(now.at);
        }
        self.recount();
    }

    /// Computes all deadlines again, after the clock was set. By that clock, the program started at
    /// `started`.
    pub fn reschedule(&mut self, now: Now, started: Timestamp) {
        let outages = self.policy.outages.by_the_clock(now, started);
        self.count_outages(outages, now);
    }

    /// Computes all deadlines again, with these outages in place of those that counted before.
    pub fn count_outages(&mut self, outages: Outages, now: Now) {
        self.follow(Policy { outages, ..Policy::clone(&self.policy) }, now);
    }

    /// Whether no entry was updated in the future.
    #[must_use]
    pub fn has_no_future(&self, now: Now) -> bool {
        let mut standings = self.segments.iter().flat_map(|segment| segment.standings());
        standings.all(|standing| now.has_reached(standing.entry().updated_at))
    }

    /// Computes all deadlines again, with this moment of a restore in place of the one before.
    pub fn count_restore(&mut self, at: Timestamp, now: Now) {
        self.follow(Policy { restored_at: Some(at), ..Policy::clone(&self.policy) }, now);
    }

    fn follow(&mut self, policy: Policy, now: Now) {
        self.memo = WholeMemo::default();
        self.policy = Arc::new(policy);
        for segment in &mut self.segments {
            Arc::make_mut(segment).reschedule(&self.policy, now.at);
        }
        self.recount();
    }

    /// Returns at most `limit` entries that show more than the store knows, where the clock is
    /// believed: see [`Now::confirms_silence_since`].
    #[must_use]
    pub fn unsettled(&self, now: Now, limit: usize) -> Vec<Standing> {
        if self.unsettled == 0 {
            return Vec::new();
        }
        let segments = self.segments.iter().filter(|segment| segment.unsettled() > 0);
        let standings = segments.flat_map(|segment| segment.standings());
        standings.filter(|standing| standing.is_to_be_settled(now)).take(limit).cloned().collect()
    }

    /// Applies changes that were found in the store, all since the snapshot's head.
    pub fn adopt(&mut self, changes: Changes, now: Now) {
        let Changes { head, put, seen, removed } = changes;
        for key in removed {
            if let (index, Ok(place)) = self.locate(key.borrow()) {
                self.remove_at(index, place);
            }
        }
        for entry in put {
            self.take_over(entry, now);
        }
        for sighting in seen {
            if let Some(standing) = self.find(sighting.key.borrow()).1 {
                let mut entry = Arc::clone(standing.entry());
                sighting.note_in(&mut entry);
                self.take_over(entry, now);
            }
        }
        self.head = head;
    }

    /// Puts an entry in that others have stored.
    fn take_over(&mut self, mut entry: Arc<Entry>, now: Now) {
        let (place, known) = self.find(entry.key());
        if let Some(name) = self.repo_name_near(entry.report.repo.as_str(), place) {
            // Neighbours share the name of their repository.
            Arc::make_mut(&mut entry).report.repo = name;
        }
        let standing = match known {
            Some(known) => known.followed_by(entry, &self.policy, now.at),
            None => Standing::new(entry, &self.policy, now.at),
        };
        self.put(standing, place);
    }

    fn put_at(&mut self, index: usize, place: Result<usize, usize>, standing: Standing) {
        self.all += usize::from(place.is_err());
        if self.positions.are_too_few_for(self.all) {
            self.positions = Arc::new(Positions::for_entries(self.all));
        }
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

    fn remove_at(&mut self, index: usize, place: usize) {
        self.all -= 1;
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

    /// Changes a segment, and adjusts the sums over all segments.
    fn change(&mut self, index: usize, change: impl FnOnce(&mut Segment)) {
        self.memo = WholeMemo::default();
        let Some(segment) = self.segments.get_mut(index).map(Arc::make_mut) else { return };
        self.unsettled -= segment.unsettled();
        self.expired_drifted -= segment.expired_drifted();
        self.row_bytes -= segment.row_bytes();
        change(segment);
        self.unsettled += segment.unsettled();
        self.expired_drifted += segment.expired_drifted();
        self.row_bytes += segment.row_bytes();
        self.next_deadline = self.next_deadline.min(segment.next_deadline());
    }

    /// Computes the sums over all segments again.
    fn recount(&mut self) {
        (self.unsettled, self.expired_drifted, self.row_bytes) = (0, 0, 0);
        self.next_deadline = Timestamp::NEVER;
        for segment in &self.segments {
            self.unsettled += segment.unsettled();
            self.expired_drifted += segment.expired_drifted();
            self.row_bytes += segment.row_bytes();
            self.next_deadline = self.next_deadline.min(segment.next_deadline());
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

    /// Returns the name of a repository if the entry in a place or the one before it has it, so
    /// that entries share the text.
    pub(super) fn repo_name_near(&self, repo: &str, (index, place): Place) -> Option<RepoName> {
        let standings = self.segments.get(index)?.standings();
        let near = [place.checked_sub(1), Some(place)].into_iter().flatten();
        let mut names = near.filter_map(|at| Some(&standings.get(at)?.entry().report.repo));
        names.find(|name| name.as_str() == repo).cloned()
    }
}

#[cfg(test)]
mod tests;
