//! A cell of a row: the value of one column of one entry.

use serde::{Serialize, Serializer};

use super::Shape;
use crate::domain::{Column, FileName, ReportedTime, Standing, Timestamp};

/// The content of a cell.
pub(super) enum Content<'a> {
    One(Cell<'a>),
    /// File names; together they may be larger than a piece of an answer.
    Files(&'a [FileName]),
}

/// A single value.
pub(super) enum Cell<'a> {
    Text(&'a str),
    Number(u64),
    Truth(bool),
    Moment(Timestamp),
    Reported(ReportedTime),
    Nothing,
}

impl<'a> Content<'a> {
    /// Takes a column's value out of an entry.
    pub(super) fn of(standing: &'a Standing, column: Column, shape: Shape) -> Self {
        let entry = standing.entry();
        let report = &entry.report;
        Self::One(match column {
            Column::Files => return Self::Files(&report.files),
            Column::Repo => Cell::Text(report.repo.as_str()),
            Column::Server => Cell::Text(report.server.as_str()),
            Column::SyncStatus => Cell::Text(report.sync_status.as_str()),
            Column::StatusCode => Cell::Number(u64::from(report.sync_status.code())),
            Column::DriftCount => Cell::Number(u64::from(report.drift_count.get())),
            Column::FileCount => Cell::Number(report.files.len() as u64),
            Column::LastCheck => Cell::Reported(report.last_check),
            Column::UpdatedAt => Cell::Moment(entry.updated_at),
            Column::StatusSince => Cell::Moment(entry.status_since),
            Column::Stale => match shape {
                Shape::Nested => Cell::Truth(standing.is_stale()),
                Shape::Flat => Cell::Number(u64::from(standing.is_stale())),
            },
            Column::ExpiresAt => Cell::moment_or_nothing(standing.expires_at()),
            Column::DriftedSince => Cell::moment_or_nothing(entry.drifted_since),
            Column::Revision => {
                report.revision.as_ref().map_or(Cell::Nothing, |text| Cell::Text(text.as_str()))
            }
            Column::Url => {
                report.url.as_ref().map_or(Cell::Nothing, |text| Cell::Text(text.as_str()))
            }
        })
    }
}

impl Cell<'_> {
    fn moment_or_nothing(moment: Timestamp) -> Self {
        if moment == Timestamp::NEVER { Self::Nothing } else { Self::Moment(moment) }
    }
}

/// Where the writing of a row continues. A row may be larger than a piece of an answer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct RowPosition {
    pub(super) column: usize,
    /// How many file names of this column have been written.
    pub(super) names: usize,
}

impl RowPosition {
    pub(super) fn is_start(self) -> bool {
        self == Self::default()
    }

    pub(super) fn next_column(&mut self) {
        *self = Self { column: self.column + 1, names: 0 };
    }
}

impl Serialize for Cell<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Truth(truth) => serializer.serialize_bool(*truth),
            Self::Moment(moment) => serializer.collect_str(moment),
            Self::Reported(moment) => serializer.collect_str(moment),
            Self::Nothing => serializer.serialize_none(),
        }
    }
}
