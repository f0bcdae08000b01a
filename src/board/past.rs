//! Questions about the past, which the store answers.

use thiserror::Error;

use super::Board;
use crate::domain::{HistoryPage, HistoryQuery};
use crate::store::StoreError;

/// Why a question about the past is not answered.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Unanswered {
    /// It takes too long.
    #[error("the question takes too long")]
    TooSlow,
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
}

fn unanswered(error: &StoreError) -> Unanswered {
    if let StoreError::TooSlow(_) = error {
        return Unanswered::TooSlow;
    }
    log::error!("The history cannot be read: {error}");
    Unanswered::Unavailable
}
