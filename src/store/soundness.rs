//! What is known of damage to a store, and looks at all of it that find some.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::StoreError;
use crate::domain::Timestamp;

/// A part of a store that can be damaged by itself.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Part {
    /// The entries as they are stored: what is served comes from memory.
    Entries,
    /// The rows of the history.
    History,
    /// The indexes of the history, by which its rows are found.
    HistoryIndex,
    /// What neither entries nor history are read from.
    Other,
}

impl Part {
    /// Every part.
    pub const ALL: [Self; 4] = [Self::Entries, Self::History, Self::HistoryIndex, Self::Other];

    /// Returns the name of a part, for metrics and the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Entries => "entries",
            Self::History => "history",
            Self::HistoryIndex => "history_index",
            Self::Other => "other",
        }
    }

    /// Returns what it means for users that this part is damaged.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Entries => "The stored entries are damaged: a start would refuse them",
            Self::History => "The history is damaged: some of it cannot be shown",
            Self::HistoryIndex => {
                "The indexes of the history do not match it: some of it is not found"
            }
            Self::Other => "A part of the database that is never shown is damaged",
        }
    }
}

/// What a store and the looks at it have found.
#[derive(Clone, Debug, Default)]
pub struct Soundness {
    /// How many commits that had been confirmed were found lost when the store was opened, at most.
    pub lost_commits: u64,
    /// The parts in which damage has been found.
    pub damaged: BTreeSet<Part>,
    /// When a look at everything has ended last.
    pub checked: Option<Timestamp>,
}

impl Soundness {
    /// Returns what each damage means for users.
    pub fn meanings(&self) -> impl Iterator<Item = &'static str> {
        self.damaged.iter().map(|part| part.meaning())
    }
}

/// A look at everything that a store holds, a piece at a time.
///
/// Each piece is small enough to hold nobody up, and nothing is kept open from one to the next that
/// would. What changes in the meantime is no damage.
#[async_trait]
pub trait Examination: Send {
    /// Looks at the next piece; `None` if there is none.
    ///
    /// An error says that a piece could not be looked at, which need not be damage.
    async fn next(&mut self) -> Result<Option<Examined>, StoreError>;

    /// Ends the look, whether there is more or not.
    async fn close(self: Box<Self>);
}

/// What came of a look at a piece of a store.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Examined {
    /// Which part is damaged there, and how, for the log.
    pub damage: Option<(Part, String)>,
    /// About how many thousandths of everything have been looked at by now.
    pub progress: u32,
}
