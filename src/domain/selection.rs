//! Selections: filter, order and page of an answer, and the entries they pick from a state.

use std::ops::Range;

use super::{Column, Filter, KeyRef, Segment, Slot, State};

/// What an answer is about.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Selection {
    /// Which entries.
    pub filter: Filter,
    /// In which order; by (repo, server) if nothing else is asked for.
    pub sort: Option<Sort>,
    /// How many at the most.
    pub limit: Option<usize>,
    /// How many to leave out first.
    pub offset: usize,
}

/// An order of entries; (repo, server) breaks ties, ascending in either direction.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Sort {
    /// What to compare.
    pub column: Column,
    /// Whether the largest comes first.
    pub descending: bool,
}

/// The entries that a selection picked.
#[derive(Debug)]
pub struct Selected<'a> {
    /// Neighbouring entries in the order of the answer.
    pub runs: Vec<Run<'a>>,
    /// How many the filter let pass, before limit and offset.
    pub total: usize,
}

/// Neighbouring entries of one segment, all of them listed.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    /// Their segment.
    pub segment: &'a Segment,
    /// Their places in it.
    pub places: Range<usize>,
}

impl<'a> Run<'a> {
    /// Returns the entries.
    #[must_use]
    pub fn slots(&self) -> &'a [Slot] {
        self.segment.slots().get(self.places.clone()).unwrap_or_default()
    }
}

impl<'a> Selected<'a> {
    /// Returns the entries one by one.
    pub fn slots(&self) -> impl Iterator<Item = &'a Slot> {
        self.runs.iter().flat_map(Run::slots)
    }
}

impl Selection {
    /// Whether it is all entries in their natural order.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        let Self { filter, sort, limit, offset } = self;
        filter.is_empty() && sort.is_none() && limit.is_none() && *offset == 0
    }

    /// Returns how many entries have to be looked at, about.
    #[must_use]
    pub fn cost(&self, state: &State) -> usize {
        let ranges = candidates(&self.filter, state);
        ranges.iter().map(|run| run.places.len()).sum()
    }

    /// Picks the entries from a state.
    #[must_use]
    pub fn select<'a>(&self, state: &'a State) -> Selected<'a> {
        let runs = candidates(&self.filter, state);
        let is_decided = self.filter.is_by_repo_only() && !self.filter.repo.has_wildcards();
        let mut runs = if is_decided {
            runs.into_iter().flat_map(|run| keep(&run, Slot::is_listed)).collect()
        } else {
            let passes = |slot: &Slot| slot.is_listed() && self.filter.matches(slot);
            runs.into_iter().flat_map(|run| keep(&run, passes)).collect()
        };
        if let Some(sort) = self.sort {
            runs = sorted(runs, sort);
        }
        let total = runs.iter().map(|run: &Run<'_>| run.places.len()).sum();
        Selected { runs: page(runs, self.offset, self.limit.unwrap_or(usize::MAX)), total }
    }
}

/// Returns the entries that a filter can let pass at all, judged by its list of repositories; with
/// wildcards in that list, all of them.
fn candidates<'a>(filter: &Filter, state: &'a State) -> Vec<Run<'a>> {
    match filter.repo.exact() {
        None => state.segments().iter().map(|segment| whole(segment)).collect(),
        Some(repos) => repos.into_iter().flat_map(|repo| of_repo(state, repo)).collect(),
    }
}

fn whole(segment: &Segment) -> Run<'_> {
    Run { segment, places: 0..segment.slots().len() }
}

/// Returns the entries of one repository, which lie side by side.
fn of_repo<'a>(state: &'a State, repo: &str) -> Vec<Run<'a>> {
    // No name is empty, so this key is before every key of the repository.
    let (first, place) = state.locate(KeyRef { repo, server: "" });
    let mut start = place.unwrap_or_else(|place| place);
    let mut runs = Vec::new();
    for segment in state.segments().get(first..).unwrap_or_default() {
        let rest = segment.slots().get(start..).unwrap_or_default();
        let length = rest.partition_point(|slot| slot.entry().report.repo.as_str() == repo);
        if length > 0 {
            runs.push(Run { segment, places: start..start + length });
        }
        if length < rest.len() {
            break;
        }
        start = 0;
    }
    runs
}

/// Returns the parts of a run whose entries all pass.
fn keep<'a>(run: &Run<'a>, passes: impl Fn(&Slot) -> bool) -> Vec<Run<'a>> {
    let mut kept: Vec<Run<'a>> = Vec::new();
    for (place, slot) in run.places.clone().zip(run.slots()) {
        if !passes(slot) {
            continue;
        }
        match kept.last_mut() {
            Some(last) if last.places.end == place => last.places.end = place + 1,
            _ => kept.push(Run { segment: run.segment, places: place..place + 1 }),
        }
    }
    kept
}

fn sorted<'a>(runs: Vec<Run<'a>>, sort: Sort) -> Vec<Run<'a>> {
    let mut singles: Vec<(&'a Slot, Run<'a>)> = runs
        .into_iter()
        .flat_map(|run| {
            let Run { segment, places } = run.clone();
            let singles = places.map(move |place| Run { segment, places: place..place + 1 });
            run.slots().iter().zip(singles)
        })
        .collect();
    // The sort is stable and the runs come in the order of their keys: that breaks the ties.
    singles.sort_by(|(a, _), (b, _)| {
        let (a, b) = if sort.descending { (b, a) } else { (a, b) };
        sort.column.compare(a, b)
    });
    singles.into_iter().map(|(_, run)| run).collect()
}

fn page(runs: Vec<Run<'_>>, offset: usize, limit: usize) -> Vec<Run<'_>> {
    let (mut skip, mut left) = (offset, limit);
    let cut = runs.into_iter().filter_map(|Run { segment, places }| {
        let start = places.end.min(places.start.saturating_add(skip));
        skip -= start - places.start;
        let end = places.end.min(start.saturating_add(left));
        left -= end - start;
        (start < end).then_some(Run { segment, places: start..end })
    });
    cut.collect()
}
