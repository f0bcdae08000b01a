//! The state: every entry, and what reports and the passing of time do to it.
//!
//! A state is cheap to copy and to change in part, so a change can be tried, stored, and then
//! published or thrown away as a whole. It shares what stays the same with the state before.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::segment::SEGMENT_ENTRIES;
use super::{Entry, Event, Key, KeyRef, Now, Policy, Report, Segment, Slot, Timestamp, Transition};

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

/// What has to be stored because something happened to one entry.
#[derive(Clone, Debug)]
pub enum Change {
    /// The entry is now this.
    Put {
        /// The entry as it is now.
        entry: Arc<Entry>,
        /// What happened, for the history; empty if only times changed.
        transitions: Vec<Transition>,
        /// Whether anything but times changed.
        is_news: bool,
    },
    /// The entry is gone.
    Removed {
        /// The entry as it was.
        entry: Arc<Entry>,
        /// What happened, for the history.
        transitions: Vec<Transition>,
    },
}

/// What a store knows that a state does not.
#[derive(Clone, Debug)]
pub struct Changes {
    /// The revision after all of it.
    pub revision: Revision,
    /// Entries as they are now.
    pub put: Vec<Arc<Entry>>,
    /// Pairs that have no entry any more.
    pub removed: Vec<Key>,
}

/// Every entry at one revision.
#[derive(Clone, Debug)]
pub struct State {
    policy: Policy,
    revision: Revision,
    segments: Vec<Arc<Segment>>,
    kept: usize,
    memo: WholeMemo,
}

/// What is worked out of a whole state once it is asked for; forgotten by copies.
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

impl State {
    /// Makes the state of stored entries, in any order, as it is at a moment.
    #[must_use]
    pub fn load(
        policy: Policy,
        revision: Revision,
        mut entries: Vec<Arc<Entry>>,
        now: Now,
    ) -> Self {
        entries.sort_by(|a, b| a.key().cmp(&b.key()));
        let mut state = Self {
            policy,
            revision,
            segments: Vec::new(),
            kept: entries.len(),
            memo: WholeMemo::default(),
        };
        let mut rest = entries.into_iter().peekable();
        while rest.peek().is_some() {
            let part = rest.by_ref().take(SEGMENT_ENTRIES);
            let slots = part.map(|entry| Slot::new(entry, &policy, now.at)).collect();
            state.push_within_limits(Segment::new(slots));
        }
        state
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

    /// Says which revision the entries are of, once they are stored.
    pub fn set_revision(&mut self, revision: Revision) {
        self.revision = revision;
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

    /// Returns a fingerprint of all that answers show: equal fingerprints, equal answers,
    /// also in another process with the same store or a copy of it.
    #[must_use]
    pub fn fingerprint(&self) -> u128 {
        let parts = || self.segments.iter().map(|segment| segment.fingerprint());
        *self.memo.fingerprint.get_or_init(|| parts().fold(0, u128::wrapping_add))
    }

    /// Returns the place for the whole state as others compress it; see [`super::Memo`].
    #[must_use]
    pub fn packed(&self) -> &OnceLock<Bytes> {
        &self.memo.packed
    }

    /// Returns the entry of a pair, unless it has expired.
    #[must_use]
    pub fn get(&self, key: KeyRef<'_>) -> Option<&Slot> {
        self.find(key).filter(|slot| slot.is_listed())
    }

    /// Whether a pair has an entry, expired or not.
    #[must_use]
    pub fn keeps(&self, key: KeyRef<'_>) -> bool {
        self.find(key).is_some()
    }

    /// Returns where a key is or belongs: a segment (0 if there is none) and a place in it.
    pub(super) fn locate(&self, key: KeyRef<'_>) -> (usize, Result<usize, usize>) {
        let after = self.segments.partition_point(|segment| segment.starts_at_or_before(key));
        let index = after.saturating_sub(1);
        let place = self.segments.get(index).map_or(Err(0), |segment| segment.find(key));
        (index, place)
    }

    fn find(&self, key: KeyRef<'_>) -> Option<&Slot> {
        let (index, place) = self.locate(key);
        self.segments.get(index)?.slots().get(place.ok()?)
    }

    /// Applies an update that was received now: the last word of a pair wins, whatever it says.
    #[must_use]
    pub fn apply(&mut self, mut report: Report, now: Now) -> Change {
        let (index, place) = self.locate(report.key());
        let old = place.ok().and_then(|place| self.segments.get(index)?.slots().get(place));
        let Some(old) = old.cloned() else {
            self.share_repo_name(&mut report, index, place);
            let (entry, transitions) = Entry::first(report, now.at);
            return self.put(index, place, entry, transitions, true, now);
        };
        let silence = unrecorded_silence(&old, now);
        let old = if silence.is_some() { old.with_silence_recorded() } else { old };
        let before = old.entry();
        report.repo = before.report.repo.clone();
        let has_ended = !old.is_listed() && now.confirms_silence_since(before.updated_at);
        let (entry, mut transitions) = if has_ended {
            let (entry, first) = Entry::first(report, now.at);
            (entry, endings(&old).into_iter().chain(first).collect())
        } else {
            before.updated(report, now.at)
        };
        if let Some(silence) = silence {
            transitions.insert(0, silence);
        }
        let is_news = !transitions.is_empty()
            || before.report.revision != entry.report.revision
            || before.report.url != entry.report.url
            || before.report.promise != entry.report.promise;
        self.put(index, place, entry, transitions, is_news, now)
    }

    /// Takes an entry out; `None` if no answer shows it.
    #[must_use]
    pub fn remove(&mut self, key: KeyRef<'_>, now: Now) -> Option<Change> {
        let slot = self.get(key)?;
        let (entry, silence) = (Arc::clone(slot.entry()), unrecorded_silence(slot, now));
        let (index, place) = self.locate(key);
        self.take_out(index, place.ok()?);
        let deleted = Transition::of(&entry, Event::Deleted, now.at);
        let transitions = silence.into_iter().chain([deleted]).collect();
        Some(Change::Removed { entry, transitions })
    }

    /// Whether [`Self::mark`] would find a mark to change.
    #[must_use]
    pub fn has_marks_due(&self, now: Now) -> bool {
        self.segments.iter().any(|segment| segment.next_change() <= now.at)
    }

    /// Makes every mark what it is now.
    ///
    /// Nothing of this needs storing: marks follow from the entries and the clock.
    pub fn mark(&mut self, now: Now) {
        self.memo = WholeMemo::default();
        for segment in &mut self.segments {
            if segment.next_change() <= now.at {
                Arc::make_mut(segment).remark(now.at);
            }
        }
    }

    /// Works out all deadlines and marks anew, after the clock was set.
    pub fn reschedule(&mut self, now: Now) {
        self.memo = WholeMemo::default();
        for segment in &mut self.segments {
            Arc::make_mut(segment).reschedule(&self.policy, now);
        }
    }

    /// Returns at most `limit` entries whose marks say more than the store knows, and are to be
    /// believed: see [`Now::confirms_silence_since`].
    #[must_use]
    pub fn unsettled(&self, now: Now, limit: usize) -> Vec<Slot> {
        let segments = self.segments.iter().filter(|segment| segment.unsettled() > 0);
        let unsettled = segments.flat_map(|segment| segment.slots()).filter(|slot| {
            slot.is_unsettled() && now.confirms_silence_since(slot.entry().updated_at)
        });
        unsettled.take(limit).cloned().collect()
    }

    /// Makes final what the marks of these entries say: silence is noted for the history, expired
    /// entries are taken out.
    #[must_use]
    pub fn settle(&mut self, unsettled: &[Slot]) -> Vec<Change> {
        unsettled.iter().map(|slot| self.settle_one(slot)).collect()
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
            self.place(index, place, Slot::new(entry, &self.policy, now.at));
        }
        self.revision = revision;
    }

    fn settle_one(&mut self, slot: &Slot) -> Change {
        let entry = slot.entry();
        let (index, place) = self.locate(entry.key());
        if let (false, Ok(place)) = (slot.is_listed(), place) {
            self.take_out(index, place);
            return Change::Removed { entry: Arc::clone(entry), transitions: endings(slot) };
        }
        let silence = Transition::of(entry, Event::Stale, slot.stale_at());
        let slot = slot.with_silence_recorded();
        let entry = Arc::clone(slot.entry());
        self.place(index, place, slot);
        Change::Put { entry, transitions: vec![silence], is_news: true }
    }

    fn put(
        &mut self,
        index: usize,
        place: Result<usize, usize>,
        entry: Entry,
        transitions: Vec<Transition>,
        is_news: bool,
        now: Now,
    ) -> Change {
        let entry = Arc::new(entry);
        self.place(index, place, Slot::new(Arc::clone(&entry), &self.policy, now.at));
        Change::Put { entry, transitions, is_news }
    }

    fn place(&mut self, index: usize, place: Result<usize, usize>, slot: Slot) {
        self.memo = WholeMemo::default();
        let Some(segment) = self.segments.get_mut(index) else {
            self.segments.push(Arc::new(Segment::new(vec![slot])));
            self.kept += 1;
            return;
        };
        let segment = Arc::make_mut(segment);
        match place {
            Ok(place) => segment.replace(place, slot),
            Err(place) => {
                segment.insert(place, slot);
                self.kept += 1;
            }
        }
        if segment.is_too_large() {
            let second = segment.split();
            self.segments.insert(index + 1, Arc::new(second));
        }
    }

    fn take_out(&mut self, index: usize, place: usize) {
        self.memo = WholeMemo::default();
        let Some(segment) = self.segments.get_mut(index) else { return };
        Arc::make_mut(segment).remove(place);
        self.kept -= 1;
        if segment.slots().is_empty() {
            self.segments.remove(index);
        } else if let Some([first, second]) = self.segments.get(index..index + 2)
            && first.is_small_beside(second)
        {
            let joined = first.slots().iter().chain(second.slots()).cloned().collect();
            self.segments.splice(index..index + 2, [Arc::new(Segment::new(joined))]);
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

    /// Lets a new entry share its repository's name with a neighbour: most have one.
    fn share_repo_name(&self, report: &mut Report, index: usize, place: Result<usize, usize>) {
        let (Some(segment), Err(place)) = (self.segments.get(index), place) else { return };
        let beside = [place.checked_sub(1), Some(place)];
        let mut neighbours = beside.into_iter().flatten().filter_map(|at| segment.slots().get(at));
        if let Some(same) = neighbours.find(|slot| slot.entry().report.repo == report.repo) {
            report.repo = same.entry().report.repo.clone();
        }
    }
}

/// What the history has to be told of a silence that ends before it could be stored.
fn unrecorded_silence(slot: &Slot, now: Now) -> Option<Transition> {
    let is_silent = slot.is_listed() && slot.is_unsettled();
    (is_silent && now.confirms_silence_since(slot.entry().updated_at))
        .then(|| Transition::of(slot.entry(), Event::Stale, slot.stale_at()))
}

/// What the history has to be told of an entry whose time is over.
fn endings(slot: &Slot) -> Vec<Transition> {
    let entry = slot.entry();
    let was_silent = slot.stale_at() < slot.expires_at() && !entry.stale_recorded;
    let silence = was_silent.then(|| Transition::of(entry, Event::Stale, slot.stale_at()));
    let end: Timestamp = slot.expires_at();
    silence.into_iter().chain([Transition::of(entry, Event::Expired, end)]).collect()
}
