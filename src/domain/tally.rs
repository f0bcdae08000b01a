//! Counts over selected entries: of all of them, by repository and by server.
//!
//! They are computed from the entries that a list would show, so a count cannot disagree with the
//! list.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Entry, Report, Selected, Standing, SyncStatus, Timestamp};

/// Counts over entries. `drifted` and `stale` each count entries of both statuses.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    /// All entries.
    pub entries: usize,
    /// Those that are `SYNCED`.
    pub synced: usize,
    /// Those that are `OUT_OF_SYNC`.
    pub out_of_sync: usize,
    /// Those that have drifted, see [`Report::is_drifted`].
    pub drifted: usize,
    /// Those whose reporter has fallen silent.
    pub stale: usize,
    /// Those that are both drifted and stale.
    pub stale_drifted: usize,
    /// The sum of the reporters' `drift_count`.
    pub drift_count: u64,
    /// The oldest `drifted_since`.
    pub drifted_since: Option<Timestamp>,
}

impl Tally {
    /// Counts entries.
    pub fn of<'a>(standings: impl IntoIterator<Item = &'a Standing>) -> Self {
        let mut tally = Self::default();
        for standing in standings {
            tally.add(standing);
        }
        tally
    }

    /// Returns how many entries are neither drifted nor stale.
    #[must_use]
    pub fn in_sync(&self) -> usize {
        self.entries + self.stale_drifted - self.drifted - self.stale
    }

    fn add(&mut self, standing: &Standing) {
        let entry = standing.entry();
        let (is_drifted, is_stale) = (entry.report.is_drifted(), standing.is_stale());
        self.entries += 1;
        match entry.report.sync_status {
            SyncStatus::Synced => self.synced += 1,
            SyncStatus::OutOfSync => self.out_of_sync += 1,
        }
        self.drifted += usize::from(is_drifted);
        self.stale += usize::from(is_stale);
        self.stale_drifted += usize::from(is_drifted && is_stale);
        self.drift_count += u64::from(entry.report.drift_count.get());
        if is_drifted {
            let since = self.drifted_since.unwrap_or(Timestamp::NEVER);
            self.drifted_since = Some(since.min(entry.drifted_since));
        }
    }

    /// Counts entries by repository, in the order of the names. Each count comes with an entry that
    /// has the name.
    #[must_use]
    pub fn by_repo<'a>(selected: &Selected<'a>) -> Vec<(&'a Arc<Entry>, Self)> {
        Self::by(selected, |report| report.repo.as_str())
    }

    /// Counts entries by server, in the order of the names, as [`Self::by_repo`] does.
    #[must_use]
    pub fn by_server<'a>(selected: &Selected<'a>) -> Vec<(&'a Arc<Entry>, Self)> {
        Self::by(selected, |report| report.server.as_str())
    }

    fn by<'a>(
        selected: &Selected<'a>,
        name: fn(&'a Report) -> &'a str,
    ) -> Vec<(&'a Arc<Entry>, Self)> {
        let mut tallies: BTreeMap<&str, (&Arc<Entry>, Self)> = BTreeMap::new();
        for standing in selected.standings() {
            let entry = standing.entry();
            let tally = tallies.entry(name(&entry.report));
            tally.or_insert_with(|| (entry, Self::default())).1.add(standing);
        }
        tallies.into_values().collect()
    }
}
