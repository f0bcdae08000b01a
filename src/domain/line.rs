//! The lines of a timeline. A line is an entry, or a name that stands for all entries with it and is
//! in the worst of their conditions.

use std::collections::BTreeMap;

use super::{Condition, Cursor, Key, Past, Phase, RepoName, ServerName, TimelineQuery};

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
    fn of(key: Key, kind: LineKind) -> Self {
        match kind {
            LineKind::Entry => Self::Entry(key),
            LineKind::Repo => Self::Repo(key.repo),
            LineKind::Server => Self::Server(key.server),
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
    pub fn new(entries: Vec<Key>, kind: LineKind) -> Self {
        let mut members: BTreeMap<Line, Vec<usize>> = BTreeMap::new();
        let mut line_of_entry = vec![0; entries.len()];
        for (entry, key) in entries.into_iter().enumerate() {
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

    /// Merges the pasts of entries into those of lines.
    #[must_use]
    pub fn merge(&self, entries: Vec<Past>) -> Vec<Past> {
        let mut members: Vec<Vec<Past>> = self.lines.iter().map(|_| Vec::new()).collect();
        for past in entries {
            let line = self.line_of_entry.get(past.line);
            if let Some(members) = line.and_then(|line| members.get_mut(*line)) {
                members.push(past);
            }
        }
        (0..).zip(members).map(|(line, members)| worst_of(line, members)).collect()
    }

    /// Merges the phases of entries, which follow each other, into those of lines. All of them are
    /// at the starts of steps.
    #[must_use]
    pub fn merge_steps(&self, query: &TimelineQuery, entries: &[Phase]) -> Vec<Phase> {
        let pasts = entries.chunk_by(|a, b| a.line == b.line).filter_map(|phases| {
            let points = phases.iter().map(|it| (Cursor { at: it.at, id: 0 }, it.condition));
            Some(Past { line: phases.first()?.line, carried: None, points: points.collect() })
        });
        query.phases(&self.merge(pasts.collect()), None)
    }
}

/// Returns the worst of some pasts at each moment.
fn worst_of(line: usize, pasts: Vec<Past>) -> Past {
    let mut census = Census::default();
    let mut conditions: Vec<Option<Condition>> = pasts.iter().map(|past| past.carried).collect();
    conditions.iter().flatten().for_each(|condition| *census.of(*condition) += 1);
    let carried = census.worst();
    let members = pasts.into_iter().enumerate();
    let mut points: Vec<(Cursor, usize, Condition)> = members
        .flat_map(|(member, past)| past.points.into_iter().map(move |(at, it)| (at, member, it)))
        .collect();
    points.sort_unstable_by_key(|(cursor, member, _)| (*cursor, *member));
    let mut worst = carried;
    let points = points.into_iter().filter_map(|(cursor, member, condition)| {
        if let Some(before) = conditions.get_mut(member)?.replace(condition) {
            *census.of(before) -= 1;
        }
        *census.of(condition) += 1;
        let before = std::mem::replace(&mut worst, census.worst());
        Some((cursor, worst.filter(|_| worst != before)?))
    });
    Past { line, carried, points: points.collect() }
}

/// How many entries are in each condition, in the order of [`Condition::ALL`].
#[derive(Debug, Default)]
struct Census([usize; 4]);

impl Census {
    fn of(&mut self, condition: Condition) -> &mut usize {
        let Self([ended, synced, stale, out_of_sync]) = self;
        match condition {
            Condition::Ended => ended,
            Condition::Synced => synced,
            Condition::Stale => stale,
            Condition::OutOfSync => out_of_sync,
        }
    }

    fn worst(&self) -> Option<Condition> {
        let counted = self.0.iter().zip(Condition::ALL).rev();
        counted.filter(|(count, _)| **count > 0).map(|(_, condition)| condition).next()
    }
}
