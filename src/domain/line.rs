//! The lines of a timeline. A line is an entry, or a name that stands for all entries with it and is
//! in the worst of their conditions.

use std::collections::BTreeMap;

use super::{Key, RepoName, ServerName};

/// What has a line of its own.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LineKind {
    /// Each entry.
    #[default]
    Entry,
    /// Each repository.
    Repo,
    /// Each server.
    Server,
}

impl LineKind {
    /// Whether a line sums up entries. Then it shows a drifted entry as out of sync, as the counts of
    /// names do: see [`super::Transition::condition_in_sum`].
    #[must_use]
    pub const fn sums_up(self) -> bool {
        match self {
            Self::Entry => false,
            Self::Repo | Self::Server => true,
        }
    }
}

/// One line.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Line {
    /// An entry.
    Entry(Key),
    /// All entries of a repository.
    Repo(RepoName),
    /// All entries of a server.
    Server(ServerName),
}

impl Line {
    fn of(key: &Key, kind: LineKind) -> Self {
        match kind {
            LineKind::Entry => Self::Entry(key.clone()),
            LineKind::Repo => Self::Repo(key.repo.clone()),
            LineKind::Server => Self::Server(key.server.clone()),
        }
    }

    /// Returns the repository, if the line has only one.
    #[must_use]
    pub fn repo(&self) -> Option<&str> {
        match self {
            Self::Entry(Key { repo, server: _ }) | Self::Repo(repo) => Some(repo.as_str()),
            Self::Server(_) => None,
        }
    }

    /// Returns the server, if the line has only one.
    #[must_use]
    pub fn server(&self) -> Option<&str> {
        match self {
            Self::Entry(Key { repo: _, server }) | Self::Server(server) => Some(server.as_str()),
            Self::Repo(_) => None,
        }
    }
}

/// The lines of some entries, in order, and the line of each entry.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Grouping {
    /// The lines.
    pub lines: Vec<Line>,
    line_of_entry: Vec<usize>,
}

impl Grouping {
    /// Groups entries by their lines.
    #[must_use]
    pub fn new(entries: &[Key], kind: LineKind) -> Self {
        let mut members: BTreeMap<Line, Vec<usize>> = BTreeMap::new();
        let mut line_of_entry = vec![0; entries.len()];
        for (entry, key) in entries.iter().enumerate() {
            members.entry(Line::of(key, kind)).or_default().push(entry);
        }
        let entries = members.values().enumerate();
        for (line, entry) in entries.flat_map(|(line, all)| all.iter().map(move |it| (line, *it))) {
            if let Some(place) = line_of_entry.get_mut(entry) {
                *place = line;
            }
        }
        Self { lines: members.into_keys().collect(), line_of_entry }
    }

    /// Returns the line of an entry.
    #[must_use]
    pub fn line_of(&self, entry: usize) -> Option<usize> {
        self.line_of_entry.get(entry).copied()
    }
}
