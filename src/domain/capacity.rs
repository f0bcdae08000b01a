//! The limits on what is kept, and what happens to an update that exceeds them.
//!
//! The limit on bytes never hides a drift: it drops names from an update, never its status or count.

use super::{Actor, Change, FileNames, KeyRef, Now, Plan, Report, Snapshot, Standing};

/// At how many tenths of the limit on bytes new entries are refused: known ones need room to grow.
const TENTHS_FOR_NEW_ENTRIES: u64 = 9;

/// The limits on what is kept; `None` is no limit.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    /// The number of entries.
    pub entries: Option<usize>,
    /// The number of bytes of their rows, see [`Snapshot::row_bytes`].
    pub bytes: Option<u64>,
}

/// The limit that keeps new entries out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Full {
    /// The limit on their number.
    Entries,
    /// The limit on their bytes.
    Bytes,
}

/// How much more is kept after something than before it; negative if it is less.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Growth {
    /// The number of entries.
    pub entries: i64,
    /// The number of bytes of their rows.
    pub bytes: i64,
}

/// How large the growth may be that others have caused since a plan's snapshot: above this, the plan
/// may pass a limit, and has to be made again. `None` is no limit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Room {
    /// The number of entries.
    pub entries: Option<i64>,
    /// The number of bytes of their rows.
    pub bytes: Option<i64>,
}

/// What was dropped from an update for lack of room.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Omitted {
    /// The names of its files.
    pub files: bool,
    /// Its commit.
    pub revision: bool,
    /// The URL of its run.
    pub url: bool,
}

impl Omitted {
    /// Returns the names of the dropped fields.
    pub fn fields(self) -> impl Iterator<Item = &'static str> {
        let Self { files, revision, url } = self;
        let fields = [("files", files), ("revision", revision), ("url", url)];
        fields.into_iter().filter(|(_, is_omitted)| *is_omitted).map(|(field, _)| field)
    }
}

impl Capacity {
    /// Returns the limit that keeps new entries out, given how much is kept.
    #[must_use]
    pub fn reached(&self, entries: usize, bytes: u64) -> Option<Full> {
        let Self { entries: most_entries, bytes: most_bytes } = *self;
        if most_entries.is_some_and(|most| entries >= most) {
            Some(Full::Entries)
        } else if most_bytes.is_some_and(|most| bytes * 10 >= most * TENTHS_FOR_NEW_ENTRIES) {
            Some(Full::Bytes)
        } else {
            None
        }
    }

    /// Returns the room that a plan leaves: none where it has passed a limit already, which it may
    /// by times and numbers. `peak` is the most by which entries have grown before one of its requests
    /// or after the last: each has to have room in its turn, even if a later one makes some.
    pub(super) fn room_beside(&self, plan: &Plan, peak: i64, snapshot: &Snapshot) -> Room {
        let Self { entries: most_entries, bytes: most_bytes } = *self;
        let bytes = plan.growth().bytes;
        let (kept, used) = (signed(snapshot.kept() as u64) + peak, plan.row_bytes_of(snapshot));
        let (has_new, has_more) = (peak > 0, peak > 0 || bytes > 0);
        let for_plan = |most: u64| if has_new { most * TENTHS_FOR_NEW_ENTRIES / 10 } else { most };
        let room_for_entries = |most| (signed(most as u64) - kept).max(0);
        let room_for_bytes = |most| signed(for_plan(most).saturating_sub(used));
        Room {
            entries: most_entries.filter(|_| peak > 0).map(room_for_entries),
            bytes: most_bytes.filter(|_| has_more).map(room_for_bytes),
        }
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Snapshot {
    /// Returns the limit that keeps an update out, if its entry is new.
    #[must_use]
    pub fn is_full_for(&self, key: KeyRef<'_>, capacity: &Capacity) -> Option<Full> {
        let full = capacity.reached(self.kept(), self.row_bytes());
        full.filter(|_| self.find(key).1.is_none_or(Standing::is_expired_drifted))
    }
}

impl Plan {
    /// Returns how much more is kept after the plan.
    #[must_use]
    pub fn growth(&self) -> Growth {
        let (entries, fewer_entries) = self.kept;
        let (bytes, fewer_bytes) = self.row_bytes;
        Growth {
            entries: signed(entries as u64) - signed(fewer_entries as u64),
            bytes: signed(bytes) - signed(fewer_bytes),
        }
    }

    /// Applies an update within a capacity, like [`Plan::apply`].
    ///
    /// # Errors
    /// The limit that keeps new entries out. Updates of known entries are always applied, without
    /// their names if those exceed the limit on bytes.
    pub(super) fn record(
        &mut self,
        snapshot: &Snapshot,
        mut report: Report,
        by: Option<&Actor>,
        now: Now,
        capacity: &Capacity,
    ) -> Result<Change, Full> {
        let full = capacity.reached(self.kept_of(snapshot.kept()), self.row_bytes_of(snapshot));
        if let Some(full) = full
            && !self.keeps(snapshot, report.key())
        {
            return Err(full);
        }
        let omitted = match capacity.bytes {
            Some(most) => self.omit_what_has_no_room(snapshot, &mut report, most),
            None => Omitted::default(),
        };
        let change = self.apply_known(snapshot, report, by, now, !omitted.files);
        Ok(Change { omitted, ..change })
    }

    /// Drops values of a report, the files first, until it fits into the limit or its values are no
    /// longer than those before. Times and numbers stay, since they are short.
    fn omit_what_has_no_room(
        &self,
        snapshot: &Snapshot,
        report: &mut Report,
        most: u64,
    ) -> Omitted {
        let mut omitted = Omitted::default();
        let used = self.row_bytes_of(snapshot);
        if used + u64::from(report.row_bytes()) <= most {
            return omitted;
        }
        let old = self.find(snapshot, report.key()).1;
        let others = used - old.map_or(0, |old| u64::from(old.report_bytes()));
        let known = old.filter(|old| !old.is_expired_drifted());
        let before = known.map(|old: &Standing| &old.entry().report);
        let has_room = |report: &Report| {
            others + u64::from(report.row_bytes()) <= most
                || before.is_some_and(|before| report.extras_bytes() <= before.extras_bytes())
        };
        if !report.files.is_empty() && !has_room(report) {
            report.files = FileNames::default();
            omitted.files = true;
        }
        if report.url.is_some() && !has_room(report) {
            report.url = None;
            omitted.url = true;
        }
        if report.revision.is_some() && !has_room(report) {
            report.revision = None;
            omitted.revision = true;
        }
        omitted
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::{Action, Head, Policy, Request, Timestamp};

    #[test]
    fn a_plan_leaves_others_the_room_that_it_does_not_use_itself() {
        let now = Now { at: Timestamp::from_millis(0), steady_for: Duration::ZERO };
        let mut snapshot =
            Snapshot::load(Policy::new(None, None), Head::default(), Vec::new(), now);
        let capacity = Capacity { entries: Some(3), bytes: Some(10_000) };
        let mut plan = |actions: Vec<Action>| {
            let request = |action| Request { action, by: None };
            let requests: Vec<Request> = actions.into_iter().map(request).collect();
            let plan = Plan::of(&snapshot, &requests, &capacity, now);
            snapshot.accept(&plan, snapshot.head().next());
            (plan.growth(), plan.room())
        };
        let report = |server| Action::Report(Report::synced("r", server));
        let (first, room) = plan(vec![report("a"), report("b")]);
        assert_eq!(first.entries, 2);
        assert_eq!(room, Room { entries: Some(1), bytes: Some(9_000 - first.bytes) });
        let remove = |server| Action::Remove(Report::synced("r", server).to_key());
        let (growth, room) = plan(vec![report("a"), remove("b")]);
        assert_eq!(growth, Growth { entries: -1, bytes: -first.bytes / 2 });
        assert_eq!(room, Room::default(), "nothing that only shrinks passes a limit");
        let (growth, room) = plan(vec![report("c"), remove("a")]);
        assert_eq!(
            (growth.entries, room.entries),
            (0, Some(1)),
            "its entry needs room in its turn"
        );
        let (growth, room) = plan(vec![remove("c"), report("d")]);
        assert_eq!((growth.entries, room.entries), (0, None), "it takes the place of another one");
    }
}
