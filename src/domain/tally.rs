//! Figures over selected entries: of all of them, by name, and of the files that have drifted.
//!
//! They are made from what a list would show, so that no counter can disagree with its list.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use super::{Effort, FileName, GivenUp, Names, Report, Selected, Slot, SyncStatus, Timestamp};

/// What it costs to count a file name, in units of [`Effort`].
const LOOK_UP: usize = 64;

/// Counts over entries. Drifted and stale count across both statuses.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    /// All entries.
    pub entries: usize,
    /// Those that are `SYNCED`.
    pub synced: usize,
    /// Those that are `OUT_OF_SYNC`.
    pub out_of_sync: usize,
    /// Those that are drifted, see [`Report::is_drifted`].
    pub drifted: usize,
    /// Those whose reporter has fallen silent.
    pub stale: usize,
    /// Those that are both.
    pub stale_drifted: usize,
    /// The sum of the reporters' counts of files.
    pub drift_count: u64,
    /// The oldest `status_since` of the drifted.
    pub drifted_since: Option<Timestamp>,
}

impl Tally {
    /// Counts entries.
    pub fn of<'a>(slots: impl IntoIterator<Item = &'a Slot>) -> Self {
        let mut tally = Self::default();
        for slot in slots {
            tally.add(slot);
        }
        tally
    }

    /// Returns how many entries are neither drifted nor stale.
    #[must_use]
    pub fn in_sync(&self) -> usize {
        self.entries + self.stale_drifted - self.drifted - self.stale
    }

    fn add(&mut self, slot: &Slot) {
        let entry = slot.entry();
        let (is_drifted, is_stale) = (entry.report.is_drifted(), slot.is_stale());
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
            self.drifted_since = Some(since.min(entry.status_since));
        }
    }

    /// Counts entries by repository, in the order of the names.
    #[must_use]
    pub fn by_repo<'a>(selected: &Selected<'a>) -> Vec<(&'a str, Self)> {
        Self::by(selected, |report| report.repo.as_str())
    }

    /// Counts entries by server, in the order of the names.
    #[must_use]
    pub fn by_server<'a>(selected: &Selected<'a>) -> Vec<(&'a str, Self)> {
        Self::by(selected, |report| report.server.as_str())
    }

    fn by<'a>(selected: &Selected<'a>, name: fn(&'a Report) -> &'a str) -> Vec<(&'a str, Self)> {
        let mut tallies: BTreeMap<&str, Self> = BTreeMap::new();
        for slot in selected.slots() {
            tallies.entry(name(&slot.entry().report)).or_default().add(slot);
        }
        tallies.into_iter().collect()
    }
}

/// How far the drift of files of one name has spread.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FileSpread<'a> {
    /// The name.
    pub name: &'a str,
    /// How many drifted entries list it.
    pub entries: usize,
    /// Of how many repositories.
    pub repos: usize,
    /// On how many servers.
    pub servers: usize,
    /// The oldest `status_since` of those entries.
    pub since: Timestamp,
}

impl<'a> FileSpread<'a> {
    /// Counts the files that drifted entries list, of these names: the most widespread first.
    ///
    /// The entries have to be selected in their natural order.
    ///
    /// # Errors
    /// [`GivenUp`] if the effort ends.
    pub fn of(
        selected: &Selected<'a>,
        names: &Names,
        effort: &mut Effort<'_>,
    ) -> Result<Vec<Self>, GivenUp> {
        let mut servers: HashMap<&str, usize> = HashMap::new();
        let mut found: HashMap<&str, Sightings<'a>> = HashMap::new();
        for slot in selected.slots().filter(|slot| slot.entry().report.is_drifted()) {
            let entry = slot.entry();
            let next = servers.len();
            let server = *servers.entry(entry.report.server.as_str()).or_insert(next);
            for name in entry.report.files.iter().map(FileName::as_str) {
                // Beside the comparisons, a look into a large map.
                effort.spend(names.cost(name) + LOOK_UP)?;
                if names.matches(name) {
                    let sightings = found.entry(name).or_default();
                    sightings.add(entry.report.repo.as_str(), server, entry.status_since);
                }
            }
        }
        let mut files: Vec<Self> =
            found.into_iter().map(|(name, sightings)| sightings.spread(name)).collect();
        files.sort_unstable_by_key(|file| (Reverse((file.servers, file.entries)), file.name));
        Ok(files)
    }
}

/// Where files of one name were seen so far.
#[derive(Default)]
struct Sightings<'a> {
    /// The number of repositories, and the last one: entries come ordered by it.
    repos: usize,
    repo: &'a str,
    /// The server of each entry, as a number.
    servers: Vec<usize>,
    since: Option<Timestamp>,
}

impl<'a> Sightings<'a> {
    fn add(&mut self, repo: &'a str, server: usize, since: Timestamp) {
        let is_of_same_repo = self.repo == repo;
        if is_of_same_repo && self.servers.last() == Some(&server) {
            // The entry lists the file twice.
            return;
        }
        self.repos += usize::from(!is_of_same_repo);
        self.repo = repo;
        self.servers.push(server);
        self.since = Some(self.since.unwrap_or(Timestamp::NEVER).min(since));
    }

    fn spread(mut self, name: &'a str) -> FileSpread<'a> {
        let entries = self.servers.len();
        self.servers.sort_unstable();
        self.servers.dedup();
        FileSpread {
            name,
            entries,
            repos: self.repos,
            servers: self.servers.len(),
            since: self.since.unwrap_or(Timestamp::NEVER),
        }
    }
}
