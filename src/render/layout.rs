//! Which columns a row has, in which order, and how nested they are.

use crate::domain::Column;

/// How an entry becomes a row.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Shape {
    /// As it was sent: `files` is an array of objects, `stale` a boolean.
    Nested,
    /// One level, for tables and spreadsheets: `files` is a text, `stale` a number.
    Flat,
}

impl Shape {
    /// Returns all columns in the order of a row. Columns are only ever added, at the end.
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
            ],
        }
    }

    /// Whether rows can be sorted by a column: it is in the row, as one value.
    #[must_use]
    pub fn can_sort_by(self, column: Column) -> bool {
        let is_scalar = self == Self::Flat || column != Column::Files;
        is_scalar && self.columns().contains(&column)
    }
}

/// The rows of one answer.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Layout {
    /// How nested they are.
    pub shape: Shape,
    /// Only these columns, in this order; `None` is all of the shape's.
    pub only: Option<Vec<Column>>,
}

impl Layout {
    /// All columns, as they were sent.
    pub const PLAIN: Self = Self { shape: Shape::Nested, only: None };

    /// Returns the columns of a row in their order.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        self.only.as_deref().unwrap_or(self.shape.columns())
    }
}
