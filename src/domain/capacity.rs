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
