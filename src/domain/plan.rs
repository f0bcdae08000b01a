//! A plan: what requests or the clock will make of a snapshot, worked out before it is stored.
//!
//! The snapshot stays as it is until the plan is on disk and [`Snapshot::accept`]s it. If others have
//! changed the store meanwhile, another plan is made of the same requests.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use hashbrown::{Equivalent, HashMap};

use super::settlement::{endings, has_ended, unrecorded_silence};
use super::snapshot::Place;
use super::{
    Action, Actor, Capacity, Done, Entry, Event, Head, KeyRef, Now, Omitted, Refused, Report,
    Request, Room, Snapshot, Standing, Transition,
};

/// What a commit does to the row of one entry.
#[derive(Clone, Debug)]
pub enum RowChange {
    /// The row becomes this.
    Put(Standing),
    /// Only the times of the row change: see [`Entry::differs_in_times_only`].
    Seen(Standing),
    /// The row is deleted; this is what it was.
    Removed(Standing),
}

impl RowChange {
    /// Returns how many bytes the row takes in the plain list after the change.
    fn row_bytes(&self) -> u64 {
        match self {
            Self::Put(standing) | Self::Seen(standing) => standing.row_bytes(),
            Self::Removed(_) => 0,
        }
    }

    /// Returns the entry after the change, or the one that was removed.
    #[must_use]
    pub fn entry(&self) -> &Arc<Entry> {
        match self {
            Self::Put(standing) | Self::Seen(standing) | Self::Removed(standing) => {
                standing.entry()
            }
        }
    }
}

/// What happens to one entry, in short.
#[derive(Clone, Debug)]
pub struct Change {
    /// The entry after the change, or the one that was removed.
    pub entry: Arc<Entry>,
    /// The last transition's event, if there is a transition.
    pub event: Option<Event>,
    /// Whether more than times changed.
    pub is_news: bool,
    /// The fields of an update that were not stored.
    pub omitted: Omitted,
    /// Who asked for it, if somebody did and their name is known.
    pub by: Option<Actor>,
}

/// Changes to be committed together: one final row for each key, and all transitions in order.
#[derive(Debug, Default)]
pub struct Plan {
    pub(super) rows: HashMap<ByKey, Planned>,
    transitions: Vec<Transition>,
    /// How many entries are added and removed.
    pub(super) kept: (usize, usize),
    /// How many bytes of rows are added and removed.
    pub(super) row_bytes: (u64, u64),
    room: Room,
    outcomes: Vec<Result<Done, Refused>>,
    pub(super) news: Vec<Change>,
}

/// A change of a row, and where the snapshot has the row.
#[derive(Debug)]
pub(super) struct Planned {
    row: RowChange,
    /// Only a guess once other rows of the plan have been inserted or removed.
    place: Place,
}

impl Plan {
    /// Plans requests in their order; the last word on a pair wins.
    pub fn of<'a>(
        snapshot: &Snapshot,
        requests: impl IntoIterator<Item = &'a Request>,
        capacity: &Capacity,
        now: Now,
    ) -> Self {
        let (mut plan, mut peak) = (Self::default(), 0);
        for Request { action, by } in requests {
            let outcome = match action {
                Action::Report(report) => plan
                    .record(snapshot, report.clone(), by.as_ref(), now, capacity)
                    .map(|change| (Done::Recorded(change.omitted), change))
                    .map_err(Refused::Full),
                Action::Remove(key) => plan
                    .remove_by(snapshot, key.borrow(), by.as_ref(), now)
                    .map(|change| (Done::Removed, change))
                    .ok_or(Refused::NoSuchEntry),
            };
            plan.outcomes.push(outcome.map(|(done, change)| {
                plan.news.push(Change { by: by.clone(), ..change });
                done
            }));
            peak = peak.max(plan.growth().entries);
        }
        plan.room = capacity.room_beside(&plan, peak, snapshot);
        plan
    }

    /// Returns what each request has come to, in their order, once this is stored.
    pub fn outcomes(&self) -> &[Result<Done, Refused>] {
        &self.outcomes
    }

    /// Whether any request is refused.
    #[must_use]
    pub fn refuses(&self) -> bool {
        self.outcomes.iter().any(Result::is_err)
    }

    /// Returns what happens to entries, in order.
    #[must_use]
    pub fn news(&self) -> &[Change] {
        &self.news
    }

    /// Returns the rows that change, in no order.
    pub fn rows(&self) -> impl Iterator<Item = &RowChange> {
        self.rows.values().map(|planned| &planned.row)
    }

    /// Returns the rows that change with their places in the snapshot, about: other rows of the plan
    /// may have moved them.
    pub fn rows_in_place(&self) -> impl Iterator<Item = (&RowChange, Place)> {
        self.rows.values().map(|planned| (&planned.row, planned.place))
    }

    /// Returns what the plan does to the row of a key, if anything.
    #[must_use]
    pub fn row(&self, key: KeyRef<'_>) -> Option<&RowChange> {
        self.rows.get(&key).map(|planned| &planned.row)
    }

    /// Returns what the history is told, in order.
    #[must_use]
    pub fn transitions(&self) -> &[Transition] {
        &self.transitions
    }

    /// Returns how much others may have added since the snapshot without the plan passing a limit.
    #[must_use]
    pub fn room(&self) -> Room {
        self.room
    }

    /// Whether there is nothing to commit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.transitions.is_empty()
    }

    /// Returns how many entries are kept after the plan, of the number before it.
    #[must_use]
    pub fn kept_of(&self, before: usize) -> usize {
        let (more, fewer) = self.kept;
        (before + more).saturating_sub(fewer)
    }

    /// Returns how many bytes of rows are kept after the plan.
    #[must_use]
    pub fn row_bytes_of(&self, snapshot: &Snapshot) -> u64 {
        let (more, fewer) = self.row_bytes;
        (snapshot.row_bytes() + more).saturating_sub(fewer)
    }

    /// Whether a key has an entry after the plan that counts, expired or not.
    #[must_use]
    pub fn keeps(&self, snapshot: &Snapshot, key: KeyRef<'_>) -> bool {
        self.find(snapshot, key).1.is_some_and(|standing| !standing.is_expired_drifted())
    }

    /// Applies an update that was received now: the last report of a key wins.
    pub fn apply(&mut self, snapshot: &Snapshot, report: Report, now: Now) -> Change {
        self.apply_known(snapshot, report, None, now, true)
    }

    /// Applies an update that `by` asks for. If its files are not known, no change of files is
    /// recorded.
    pub(super) fn apply_known(
        &mut self,
        snapshot: &Snapshot,
        mut report: Report,
        by: Option<&Actor>,
        now: Now,
        are_files_known: bool,
    ) -> Change {
        let (place, old) = self.find(snapshot, report.key());
        let Some(old) = old else {
            if let Some(name) = snapshot.repo_name_near(report.repo.as_str(), place) {
                // Most entries have a neighbour of the same repository, and share its name.
                report.repo = name;
            }
            let (entry, transitions) = Entry::first(report, now.at);
            let transitions = told_by(by, transitions);
            let standing = Standing::new(Arc::new(entry), snapshot.policy(), now.at);
            self.kept.0 += 1;
            return self.add(place, 0, RowChange::Put(standing), transitions, true);
        };
        let old_bytes = old.row_bytes();
        let is_added = old.is_expired_drifted();
        let silence = unrecorded_silence(old, now);
        let recorded = silence.is_some().then(|| old.with_silence_recorded());
        let old = recorded.as_ref().unwrap_or(old);
        let before = old.entry();
        report.repo = before.report.repo.clone();
        let has_ended = has_ended(old, now);
        let at = now.not_before(old.told_until(has_ended));
        let (entry, mut transitions) = if has_ended {
            let (entry, first) = Entry::first(report, at);
            (entry, endings(old).into_iter().chain(told_by(by, first)).collect())
        } else {
            let (entry, transitions) = before.updated(report, at, are_files_known);
            (entry, told_by(by, transitions))
        };
        if let Some(silence) = silence {
            transitions.insert(0, silence);
        }
        let is_news = !transitions.is_empty()
            || before.report.revision != entry.report.revision
            || before.report.url != entry.report.url
            || before.report.schedule != entry.report.schedule;
        let has_other_times_only = !is_news && entry.differs_in_times_only(before);
        let standing = old.followed_by(Arc::new(entry), snapshot.policy(), now.at);
        self.kept.0 += usize::from(is_added);
        let row =
            if has_other_times_only { RowChange::Seen(standing) } else { RowChange::Put(standing) };
        self.add(place, old_bytes, row, transitions, is_news)
    }

    /// Removes an entry; `None` if no answer shows it, and it did not expire while drifted either.
    pub fn remove(&mut self, snapshot: &Snapshot, key: KeyRef<'_>, now: Now) -> Option<Change> {
        self.remove_by(snapshot, key, None, now)
    }

    fn remove_by(
        &mut self,
        snapshot: &Snapshot,
        key: KeyRef<'_>,
        by: Option<&Actor>,
        now: Now,
    ) -> Option<Change> {
        let (place, standing) = self.find(snapshot, key);
        let standing = standing.filter(|standing| standing.can_be_removed())?.clone();
        let silence = unrecorded_silence(&standing, now);
        let has_ended = has_ended(&standing, now);
        let told_until = standing.told_until(has_ended);
        let told_until = silence.as_ref().map_or(told_until, |silence| silence.at.max(told_until));
        let at = now.not_before(told_until);
        let mut transitions = Vec::from_iter(silence);
        if has_ended {
            transitions.extend(endings(&standing));
        }
        let deleted = Transition::of(standing.entry(), Event::Deleted, at);
        transitions.extend(told_by(by, vec![deleted]));
        self.kept.1 += usize::from(!standing.is_expired_drifted());
        Some(self.add(place, standing.row_bytes(), RowChange::Removed(standing), transitions, true))
    }

    /// Returns where a key is or belongs in the snapshot, and its entry after the plan.
    pub(super) fn find<'a>(
        &'a self,
        snapshot: &'a Snapshot,
        key: KeyRef<'_>,
    ) -> (Place, Option<&'a Standing>) {
        match self.rows.get(&key) {
            Some(Planned { row: RowChange::Put(standing) | RowChange::Seen(standing), place }) => {
                (*place, Some(standing))
            }
            Some(Planned { row: RowChange::Removed(_), place }) => (*place, None),
            None => snapshot.find(key),
        }
    }

    pub(super) fn add(
        &mut self,
        place: Place,
        old_bytes: u64,
        row: RowChange,
        transitions: Vec<Transition>,
        is_news: bool,
    ) -> Change {
        let entry = Arc::clone(row.entry());
        let event = transitions.last().map(|transition| transition.event);
        self.transitions.extend(transitions);
        self.row_bytes.0 += row.row_bytes();
        self.row_bytes.1 += old_bytes;
        match (row, self.rows.get_mut(&entry.key())) {
            // An entry that this plan puts is written as a whole, also if only its times change later.
            (RowChange::Seen(standing), Some(Planned { row: present @ RowChange::Put(_), .. })) => {
                *present = RowChange::Put(standing);
            }
            (row, Some(present)) => present.row = row,
            (row, None) => {
                self.rows.insert(ByKey(Arc::clone(&entry)), Planned { row, place });
            }
        }
        Change { entry, event, is_news, omitted: Omitted::default(), by: None }
    }
}

impl Snapshot {
    /// Takes over what a batch has made of this snapshot, once it is stored.
    pub fn accept(&mut self, plan: &Plan, head: Head) {
        for (row, place) in plan.rows_in_place() {
            match row {
                RowChange::Put(standing) | RowChange::Seen(standing) => {
                    self.put(standing.clone(), place);
                }
                RowChange::Removed(standing) => self.remove(standing.entry().key(), place),
            }
        }
        self.set_head(head);
    }
}

/// Returns transitions with the name of the one who asked for them.
fn told_by(by: Option<&Actor>, mut transitions: Vec<Transition>) -> Vec<Transition> {
    for transition in &mut transitions {
        transition.by = by.cloned();
    }
    transitions
}

/// An entry as the key of a collection, which needs no copy of the key's texts.
#[derive(Clone, Debug)]
pub struct ByKey(pub Arc<Entry>);

impl PartialEq for ByKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.key() == other.0.key()
    }
}

impl Eq for ByKey {}

impl Ord for ByKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.key().cmp(&other.0.key())
    }
}

impl PartialOrd for ByKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for ByKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.key().hash(state);
    }
}

impl Equivalent<ByKey> for KeyRef<'_> {
    fn equivalent(&self, key: &ByKey) -> bool {
        *self == key.0.key()
    }
}
