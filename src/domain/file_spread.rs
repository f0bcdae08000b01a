//! How far drift has spread, by file name.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use super::{Effort, Entry, FileName, GivenUp, Names, Selected, Timestamp};

/// The cost of a look into a large map, in units of [`Effort`].
const LOOK_UP: usize = 64;

/// The drifted entries that list a file name.
#[derive(Clone, Debug)]
pub struct FileSpread<'a> {
    /// The first of them.
    pub entry: &'a Arc<Entry>,
    /// The name's index in that entry's list.
    pub file: usize,
    /// The number of entries.
    pub entries: usize,
    /// The number of their repositories.
    pub repos: usize,
    /// The number of their servers.
    pub servers: usize,
    /// The oldest `drifted_since` of those entries.
    pub since: Timestamp,
}

impl<'a> FileSpread<'a> {
    /// Counts the file names that drifted entries list and `names` lets pass, the most widespread
    /// first.
    ///
    /// The entries must be in their natural order.
    ///
    /// # Errors
    /// [`GivenUp`] if the effort ends.
    pub fn of(
        selected: &Selected<'a>,
        names: &Names,
        effort: &mut Effort<'_>,
    ) -> Result<Vec<Self>, GivenUp> {
        let mut servers: HashMap<&str, usize> = HashMap::new();
        let mut found: HashMap<&str, Occurrences<'a>> = HashMap::new();
        for standing in selected.standings().filter(|standing| standing.entry().report.is_drifted())
        {
            let entry = standing.entry();
            let next = servers.len();
            let server = *servers.entry(entry.report.server.as_str()).or_insert(next);
            for (file, name) in entry.report.files.iter().map(FileName::as_str).enumerate() {
                effort.spend(names.cost(name) + LOOK_UP)?;
                if names.matches(name) {
                    let occurrences = found.entry(name);
                    let occurrences = occurrences.or_insert_with(|| Occurrences::new(entry, file));
                    occurrences.add(entry.report.repo.as_str(), server, entry.drifted_since);
                }
            }
        }
        let mut files: Vec<(&str, Self)> =
            found.into_iter().map(|(name, occurrences)| (name, occurrences.spread())).collect();
        files.sort_unstable_by_key(|(name, file)| (Reverse((file.servers, file.entries)), *name));
        Ok(files.into_iter().map(|(_, file)| file).collect())
    }
}

/// Where a file name has been found so far.
struct Occurrences<'a> {
    /// The first entry, and the name's index in its list.
    first: (&'a Arc<Entry>, usize),
    repos: usize,
    /// The last repository: entries come ordered by repository.
    repo: &'a str,
    /// The server of each entry, as a number.
    servers: Vec<usize>,
    since: Option<Timestamp>,
}

impl<'a> Occurrences<'a> {
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
