//! The columns of a row, their order and their nesting.

use crate::domain::Column;

/// The form of a row.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Shape {
    /// The form of a report: `files` is an array of objects, `stale` a boolean.
    Nested,
    /// For tables and spreadsheets: `files` is a string, `stale` a number.
    Flat,
}

impl Shape {
    /// Returns all columns in their order. New ones are only added at the end.
    #[must_use]
    pub const fn columns(self) -> &'static [Column] {
        match self {
            Self::Nested => &[
                Column::Repo,
                Column::Server,
                Column::SyncStatus,
                Column::DriftCount,
                Column::Files,
                Column::LastCheck,
                Column::UpdatedAt,
                Column::StatusSince,
                Column::Stale,
                Column::ExpiresAt,
                Column::Revision,
                Column::Url,
                Column::DriftedSince,
            ],
            Self::Flat => &[
                Column::Repo,
                Column::Server,
                Column::SyncStatus,
                Column::StatusCode,
                Column::DriftCount,
                Column::FileCount,
                Column::Files,
                Column::LastCheck,
                Column::UpdatedAt,
                Column::StatusSince,
                Column::Stale,
                Column::ExpiresAt,
                Column::Revision,
                Column::Url,
                Column::DriftedSince,
            ],
        }
    }

    /// Whether rows can be sorted by a column: the row has it, as a single value.
    #[must_use]
    pub fn can_sort_by(self, column: Column) -> bool {
        let is_scalar = self == Self::Flat || column != Column::Files;
        is_scalar && self.columns().contains(&column)
    }
}

/// The columns and the form of the rows of an answer.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Layout {
    /// The form of a row.
    pub shape: Shape,
    /// The columns to show, in this order; `None` is all of the shape's.
    pub only: Option<Vec<Column>>,
}

impl Layout {
    /// All columns, nested.
    pub const PLAIN: Self = Self { shape: Shape::Nested, only: None };

    /// Returns the columns of a row in their order.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        self.only.as_deref().unwrap_or(self.shape.columns())
    }
}
