//! Figures over selected entries: of all of them, by name, and of the files that have drifted.
//!
//! They are made from what a list would show, so that no counter can disagree with its list.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{
    Effort, Entry, FileName, GivenUp, Names, Report, Selected, Standing, SyncStatus, Timestamp,
};

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
            self.drifted_since = Some(since.min(entry.status_since));
        }
    }

    /// Counts entries by repository, in the order of the names; with each comes an entry that has
    /// the name.
    #[must_use]
    pub fn by_repo<'a>(selected: &Selected<'a>) -> Vec<(&'a Arc<Entry>, Self)> {
        Self::by(selected, |report| report.repo.as_str())
    }

    /// Counts entries by server, likewise.
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

/// How far the drift of files of one name has spread.
#[derive(Clone, Debug)]
pub struct FileSpread<'a> {
    /// An entry that lists it.
    pub entry: &'a Arc<Entry>,
    /// Its place in that entry's list.
    pub file: usize,
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
        for standing in selected.standings().filter(|standing| standing.entry().report.is_drifted())
        {
            let entry = standing.entry();
            let next = servers.len();
            let server = *servers.entry(entry.report.server.as_str()).or_insert(next);
            for (file, name) in entry.report.files.iter().map(FileName::as_str).enumerate() {
                // Beside the comparisons, a look into a large map.
                effort.spend(names.cost(name) + LOOK_UP)?;
                if names.matches(name) {
                    let sightings = found.entry(name);
                    let sightings = sightings.or_insert_with(|| Sightings::new(entry, file));
                    sightings.add(entry.report.repo.as_str(), server, entry.status_since);
                }
            }
        }
        let mut files: Vec<(&str, Self)> =
            found.into_iter().map(|(name, sightings)| (name, sightings.spread())).collect();
        files.sort_unstable_by_key(|(name, file)| (Reverse((file.servers, file.entries)), *name));
        Ok(files.into_iter().map(|(_, file)| file).collect())
    }
}

/// Where files of one name were seen so far.
struct Sightings<'a> {
    /// The first entry, and the file's place in its list.
    first: (&'a Arc<Entry>, usize),
    /// The number of repositories, and the last one: entries come ordered by it.
    repos: usize,
    repo: &'a str,
    /// The server of each entry, as a number.
    servers: Vec<usize>,
    since: Option<Timestamp>,
}

impl<'a> Sightings<'a> {
    fn new(entry: &'a Arc<Entry>, file: usize) -> Self {
        Self { first: (entry, file), repos: 0, repo: "", servers: Vec::new(), since: None }
    }

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

    fn spread(mut self) -> FileSpread<'a> {
        let (entry, file) = self.first;
        let entries = self.servers.len();
        self.servers.sort_unstable();
        self.servers.dedup();
        FileSpread {
            entry,
            file,
            entries,
            repos: self.repos,
            servers: self.servers.len(),
            since: self.since.unwrap_or(Timestamp::NEVER),
        }
    }
}
