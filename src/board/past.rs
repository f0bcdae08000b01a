//! Questions about the past, which the store answers; the present says which entries they are about.

use thiserror::Error;

use super::Board;
use crate::domain::{Filter, HistoryPage, HistoryQuery, KeyRef, Timeline, TimelineQuery};
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
        let passes = |key: KeyRef<'_>| match state.get(key) {
            Some(slot) => filter.matches(slot),
            None => filter.is_by_names_only() && filter.names_match(key),
        };
        let timeline = self.store.timeline(query, &filter.repo, &passes).await;
        timeline.map_err(|error| unanswered(&error))?.ok_or(Unanswered::TooManyEntries)
    }
}

fn unanswered(error: &StoreError) -> Unanswered {
    if let StoreError::TooSlow(_) = error {
        return Unanswered::TooSlow;
    }
    log::error!("The history cannot be read: {error}");
    Unanswered::Unavailable
}
