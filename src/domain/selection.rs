//! Selections: filter, order and page of an answer, and the entries that they select.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use super::effort::ENTRY;
use super::{Column, Effort, Filter, GivenUp, KeyRef, Segment, Snapshot, Standing, Timestamp};

/// Which entries an answer has, and in which order.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Selection {
    /// The filter.
    pub filter: Filter,
    /// The order.
    pub order: Order,
    /// The maximum number of entries.
    pub limit: Option<usize>,
    /// How many entries to skip first.
    pub offset: usize,
}

/// An order of entries; ascending (repo, server) breaks ties.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Order {
    /// By (repo, server).
    #[default]
    Natural,
    /// By one column.
    By(Sort),
    /// By [`super::Entry::state_since`].
    ByStateSince {
        /// Whether the latest comes first.
        descending: bool,
    },
    /// By urgency: drifted entries, the longest drifted first; then stale entries, the longest
    /// silent first; then the others.
    WorstFirst,
}

impl Order {
    /// Compares two entries without breaking ties.
    fn compare(self, a: &Standing, b: &Standing) -> Ordering {
        match self {
            Self::Natural => Ordering::Equal,
            Self::By(sort) => sort.compare(a, b),
            Self::ByStateSince { descending: false } => by_state_since(a, b),
            Self::ByStateSince { descending: true } => by_state_since(b, a),
            Self::WorstFirst => urgency(a).cmp(&urgency(b)),
        }
    }
}

fn by_state_since(a: &Standing, b: &Standing) -> Ordering {
    a.entry().state_since().cmp(&b.entry().state_since())
}

/// Returns a rank, the most urgent first, and since when the entry has had it.
fn urgency(standing: &Standing) -> (u8, Timestamp) {
    let entry = standing.entry();
    if entry.report.is_drifted() {
        (0, entry.drifted_since)
    } else if standing.is_stale() {
        (1, entry.updated_at)
    } else {
        (2, Timestamp::NEVER)
    }
}

/// A column to order entries by.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Sort {
    /// The column.
    pub column: Column,
    /// Whether the largest value comes first.
    pub descending: bool,
}

impl Sort {
    /// Compares two entries without breaking ties. Absent values come last in both directions.
    fn compare(self, a: &Standing, b: &Standing) -> Ordering {
        let Self { column, descending } = self;
        let by_presence = column.is_absent(a).cmp(&column.is_absent(b));
        by_presence.then_with(|| {
            let by_value = column.compare(a, b);
            if descending { by_value.reverse() } else { by_value }
        })
    }
}

/// The entries that a selection selects.
#[derive(Clone, Debug)]
pub struct Selected<'a> {
    /// The entries in the order of the answer.
    pub runs: Vec<Run<'a>>,
    /// How many entries pass the filter, before limit and offset.
    pub total: usize,
}

/// Neighbouring entries of one segment, all of them listed.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    /// Their segment.
    pub segment: &'a Arc<Segment>,
    /// Their places in it.
    pub places: Range<usize>,
}

impl<'a> Run<'a> {
    /// Returns the entries.
    #[must_use]
    pub fn standings(&self) -> &'a [Standing] {
        self.segment.standings().get(self.places.clone()).unwrap_or_default()
    }
}

impl<'a> Selected<'a> {
    /// Returns the entries in the order of the answer.
    pub fn standings(&self) -> impl Iterator<Item = &'a Standing> {
        self.runs.iter().flat_map(Run::standings)
    }

    /// Returns those that pass another filter too.
    ///
    /// # Errors
    /// [`GivenUp`] if the effort ends.
    pub fn narrowed(&self, filter: &Filter, effort: &mut Effort<'_>) -> Result<Self, GivenUp> {
        if filter.is_empty() {
            return Ok(self.clone());
        }
        let mut runs = Vec::new();
        for run in &self.runs {
            keep(run, &mut runs, |standing| filter.matches_within(standing, effort))?;
        }
        let total = runs.iter().map(|run| run.places.len()).sum();
        Ok(Self { runs, total })
    }
}

impl Selection {
    /// Whether it selects all entries in their natural order.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        let Self { filter, order, limit, offset } = self;
        filter.is_empty() && *order == Order::Natural && limit.is_none() && *offset == 0
    }

    /// Estimates the work of selecting, in looks at an entry.
    #[must_use]
    pub fn cost(&self, snapshot: &Snapshot) -> usize {
        let ranges = candidates(&self.filter, snapshot);
        let entries: usize = ranges.iter().map(|run| run.places.len()).sum();
        let Filter { repo, server, revision, .. } = &self.filter;
        // Comparing eight patterns takes about as long as looking at an entry.
        let patterns = repo.patterns() + server.patterns() + revision.patterns();
        entries * (1 + patterns / 8)
    }

    /// Selects entries of a snapshot.
    ///
    /// # Errors
    /// [`GivenUp`] if the effort ends.
    pub fn select<'a>(
        &self,
        snapshot: &'a Snapshot,
        effort: &mut Effort<'_>,
    ) -> Result<Selected<'a>, GivenUp> {
        Ok(self.in_order(passing(&self.filter, snapshot, effort)?))
    }

    /// Applies order, limit and offset to entries that the same filter selected without them.
    #[must_use]
    pub fn arrange<'a>(&self, all: &Selected<'a>) -> Selected<'a> {
        self.in_order(all.runs.clone())
    }

    fn in_order<'a>(&self, mut runs: Vec<Run<'a>>) -> Selected<'a> {
        let total = runs.iter().map(|run| run.places.len()).sum();
        if self.order != Order::Natural {
            let wanted = self.limit.map_or(total, |limit| self.offset.saturating_add(limit));
            runs = sorted(runs, self.order, wanted);
        }
        Selected { runs: page(runs, self.offset, self.limit.unwrap_or(usize::MAX)), total }
    }
}

/// Returns the listed entries that pass a filter, in natural order.
fn passing<'a>(
    filter: &Filter,
    snapshot: &'a Snapshot,
    effort: &mut Effort<'_>,
) -> Result<Vec<Run<'a>>, GivenUp> {
    let is_decided = filter.is_by_repo_only() && !filter.repo.has_wildcards();
    let mut passing = Vec::new();
    for run in candidates(filter, snapshot) {
        if is_decided {
            effort.spend(ENTRY * run.places.len())?;
            keep(&run, &mut passing, |standing| Ok(standing.is_listed()))?;
        } else {
            keep(&run, &mut passing, |standing| {
                Ok(standing.is_listed() && filter.matches_within(standing, effort)?)
            })?;
        }
    }
    Ok(passing)
}

/// Returns the entries of the repositories that a filter lists; all entries if it lists none, or
/// patterns.
fn candidates<'a>(filter: &Filter, snapshot: &'a Snapshot) -> Vec<Run<'a>> {
    match filter.repo.exact() {
        None => snapshot.segments().iter().map(|segment| whole(segment)).collect(),
        Some(repos) => repos.into_iter().flat_map(|repo| of_repo(snapshot, repo)).collect(),
    }
}

fn whole(segment: &Arc<Segment>) -> Run<'_> {
    Run { segment, places: 0..segment.standings().len() }
}

/// Returns the entries of one repository, which are neighbours.
fn of_repo<'a>(snapshot: &'a Snapshot, repo: &str) -> Vec<Run<'a>> {
    // No name is empty, so this key is before every key of the repository.
    let ((first, mut start), _) = snapshot.find(KeyRef { repo, server: "" });
    let mut runs = Vec::new();
    for segment in snapshot.segments().get(first..).unwrap_or_default() {
        let rest = segment.standings().get(start..).unwrap_or_default();
        let length = rest.partition_point(|standing| standing.entry().report.repo.as_str() == repo);
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

/// Adds the parts of a run whose entries all pass.
fn keep<'a>(
    run: &Run<'a>,
    kept: &mut Vec<Run<'a>>,
    mut passes: impl FnMut(&Standing) -> Result<bool, GivenUp>,
) -> Result<(), GivenUp> {
    let first = kept.len();
    for (place, standing) in run.places.clone().zip(run.standings()) {
        if !passes(standing)? {
            continue;
        }
        match kept.get_mut(first..).and_then(<[_]>::last_mut) {
            Some(last) if last.places.end == place => last.places.end = place + 1,
            _ => kept.push(Run { segment: run.segment, places: place..place + 1 }),
        }
    }
    Ok(())
}

/// Returns the first `wanted` entries of an order.
fn sorted<'a>(runs: Vec<Run<'a>>, order: Order, wanted: usize) -> Vec<Run<'a>> {
    let mut singles: Vec<Single<'a>> = Vec::new();
    for Run { segment, places } in runs {
        let standings = segment.standings().get(places.clone()).unwrap_or_default();
        for (place, standing) in places.zip(standings) {
            singles.push(Single { standing, segment, place, position: singles.len() });
        }
    }
    let compare = |a: &Single<'_>, b: &Single<'_>| {
        order.compare(a.standing, b.standing).then(a.position.cmp(&b.position))
    };
    if wanted < singles.len() {
        singles.select_nth_unstable_by(wanted, compare);
        singles.truncate(wanted);
    }
    singles.sort_unstable_by(compare);
    let runs = singles.into_iter().map(|single| {
        let Single { segment, place, .. } = single;
        Run { segment, places: place..place + 1 }
    });
    runs.collect()
}

/// One entry while it is being sorted.
struct Single<'a> {
    standing: &'a Standing,
    segment: &'a Arc<Segment>,
    place: usize,
    /// Its position by (repo, server), which breaks ties.
    position: usize,
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
