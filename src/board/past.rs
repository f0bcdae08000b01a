//! Questions about the past, which the store answers; the present says which entries they are about.

use std::sync::Arc;

use thiserror::Error;
use tokio::task::spawn_blocking;

use super::Board;
use crate::domain::{
    Effort, Filter, GivenUp, HistoryPage, HistoryQuery, Key, KeyRef, Report, Selection, State,
    Timeline, TimelineQuery,
};
use crate::store::StoreError;

/// Why a question about the past is not answered.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Unanswered {
    /// It takes too long.
    #[error("the question takes too long")]
    TooSlow,
    /// More entries than rows are asked for.
    #[error("the question is about too many entries")]
    TooManyEntries,
    /// The store cannot be read.
    #[error("the history cannot be read")]
    Unavailable,
}

impl Board {
    /// Returns transitions, newest first.
    ///
    /// # Errors
    /// See [`Unanswered`].
    pub async fn history(&self, query: &HistoryQuery) -> Result<HistoryPage, Unanswered> {
        self.store.history(query).await.map_err(|error| unanswered(&error))
    }

    /// Returns how entries stood: those that the filter lets pass as they are now, and, if it asks
    /// for nothing but names, those that are gone.
    ///
    /// # Errors
    /// See [`Unanswered`].
    pub async fn timeline(
        &self,
        filter: &Filter,
        query: TimelineQuery,
    ) -> Result<Timeline, Unanswered> {
        let state = self.snapshot();
        let chosen = if filter.looks_at_files() {
            let (state, filter) = (Arc::clone(&state), filter.clone());
            let chosen = spawn_blocking(move || keys(&state, filter)).await;
            Some(chosen.map_err(|_| Unanswered::Unavailable)?.map_err(|_| Unanswered::TooSlow)?)
        } else {
            None
        };
        let passes = |key: KeyRef<'_>| match (&chosen, state.get(key)) {
            (Some(keys), _) => keys.binary_search_by(|chosen| chosen.borrow().cmp(&key)).is_ok(),
            (None, Some(slot)) => filter.matches(slot),
            (None, None) => filter.is_by_names_only() && filter.names_match(key),
        };
        let timeline = self.store.timeline(query, &filter.repo, &passes).await;
        timeline.map_err(|error| unanswered(&error))?.ok_or(Unanswered::TooManyEntries)
    }
}

/// Returns the pairs of the entries that pass, in order. Where that takes a look at the names of
/// files, of which there can be many, it is not for a thread that serves requests.
fn keys(state: &State, filter: Filter) -> Result<Vec<Key>, GivenUp> {
    let selection = Selection { filter, ..Selection::default() };
    let selected = selection.select(state, &mut Effort::unlimited())?;
    let reports = selected.slots().map(|slot| &slot.entry().report);
    let key = |report: &Report| Key { repo: report.repo.clone(), server: report.server.clone() };
    Ok(reports.map(key).collect())
}

fn unanswered(error: &StoreError) -> Unanswered {
    if let StoreError::TooSlow(_) | StoreError::Interrupted = error {
        return Unanswered::TooSlow;
    }
    log::error!("The history cannot be read: {error}");
    Unanswered::Unavailable
}
