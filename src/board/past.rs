//! Questions about the past. The archive answers them; the snapshot says which entries they are about.

use thiserror::Error;

use super::board::Board;
use crate::domain::{
    Effort, Filter, GivenUp, HistoryPage, HistoryQuery, Key, KeyRef, LineKind, Selection, Snapshot,
    Timeline, TimelineQuery,
};
use crate::store::StoreError;

/// Why a question about the past is not answered.
#[derive(Debug, Error)]
pub enum Unanswered {
    /// It takes too long.
    #[error("the question takes too long")]
    TooSlow,
    /// There are more entries, each with a line of its own, than rows are asked for.
    #[error("the question is about too many entries")]
    TooManyEntries,
    /// There are more entries than the lines of names sum up.
    #[error("the question is about names with too many entries")]
    TooManyToSumUp,
    /// The store cannot be read.
    #[error("the history cannot be read: {0}")]
    Unavailable(#[source] StoreError),
}

impl Board {
    /// Returns transitions, newest first.
    ///
    /// # Errors
    /// See [`Unanswered`].
    pub async fn history(&self, query: &HistoryQuery) -> Result<HistoryPage, Unanswered> {
        self.archive.history(query).await.map_err(unanswered)
    }

    /// Returns how entries stood. This may take long: call it beside the threads that serve requests.
    /// It is about the entries that pass the filter now and, if the filter is on names only, also about
    /// entries that are gone.
    ///
    /// # Errors
    /// See [`Unanswered`].
    pub async fn timeline(
        &self,
        filter: &Filter,
        query: TimelineQuery,
        effort: &mut Effort<'_>,
    ) -> Result<Timeline, Unanswered> {
        let snapshot = self.snapshot();
        let chosen = if filter.looks_at_files() {
            Some(keys(&snapshot, filter, effort).map_err(|GivenUp| Unanswered::TooSlow)?)
        } else {
            None
        };
        let passes = |key: KeyRef<'_>| match (&chosen, snapshot.get(key)) {
            (Some(keys), _) => keys.binary_search_by(|chosen| chosen.borrow().cmp(&key)).is_ok(),
            (None, Some(standing)) => filter.matches(standing),
            (None, None) => filter.is_by_names_only() && filter.names_match(key),
        };
        let timeline = self.archive.timeline(query, &filter.repo, &passes).await;
        timeline.map_err(unanswered)?.ok_or(too_many(query.lines))
    }
}

/// Returns the keys of the entries that pass, in order.
fn keys(
    snapshot: &Snapshot,
    filter: &Filter,
    effort: &mut Effort<'_>,
) -> Result<Vec<Key>, GivenUp> {
    let selection = Selection { filter: filter.clone(), ..Selection::default() };
    let selected = selection.select(snapshot, effort)?;
    Ok(selected.standings().map(|standing| standing.entry().report.to_key()).collect())
}

fn too_many(lines: LineKind) -> Unanswered {
    match lines {
        LineKind::Entry => Unanswered::TooManyEntries,
        LineKind::Repo | LineKind::Server => Unanswered::TooManyToSumUp,
    }
}

fn unanswered(error: StoreError) -> Unanswered {
    match error {
        StoreError::TooSlow(_) | StoreError::Interrupted => Unanswered::TooSlow,
        other => Unanswered::Unavailable(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_limit_helps_against_too_many_entries_of_names() {
        assert!(matches!(too_many(LineKind::Entry), Unanswered::TooManyEntries));
        assert!(matches!(too_many(LineKind::Repo), Unanswered::TooManyToSumUp));
        assert!(matches!(too_many(LineKind::Server), Unanswered::TooManyToSumUp));
    }
}
