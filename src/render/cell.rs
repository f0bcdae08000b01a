//! One cell of a row: the value of one column of one entry.

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use super::Shape;
use crate::domain::{Column, FileName, ReportedTime, Slot, Timestamp};

/// The value of a column.
pub(super) enum Cell<'a> {
    Text(&'a str),
    Number(u64),
    Truth(bool),
    Files(&'a [FileName]),
    Joined(String),
    Moment(Timestamp),
    Reported(ReportedTime),
    Nothing,
}

impl<'a> Cell<'a> {
    /// Takes a column's value out of an entry.
    pub(super) fn of(slot: &'a Slot, column: Column, shape: Shape) -> Self {
        let entry = slot.entry();
        let report = &entry.report;
        match column {
            Column::Repo => Self::Text(report.repo.as_str()),
            Column::Server => Self::Text(report.server.as_str()),
            Column::SyncStatus => Self::Text(report.sync_status.as_str()),
            Column::StatusCode => Self::Number(u64::from(report.sync_status.code())),
            Column::DriftCount => Self::Number(u64::from(report.drift_count.get())),
            Column::FileCount => Self::Number(report.files.len() as u64),
            Column::Files => match shape {
                Shape::Nested => Self::Files(&report.files),
                Shape::Flat => Self::Joined(Column::joined_files(&report.files)),
            },
            Column::LastCheck => Self::Reported(report.last_check),
            Column::UpdatedAt => Self::Moment(entry.updated_at),
            Column::StatusSince => Self::Moment(entry.status_since),
            Column::Stale => match shape {
                Shape::Nested => Self::Truth(slot.is_stale()),
                Shape::Flat => Self::Number(u64::from(slot.is_stale())),
            },
            Column::ExpiresAt => match slot.expires_at() {
                Timestamp::NEVER => Self::Nothing,
                moment => Self::Moment(moment),
            },
            Column::Revision => {
                report.revision.as_ref().map_or(Self::Nothing, |text| Self::Text(text.as_str()))
            }
            Column::Url => {
                report.url.as_ref().map_or(Self::Nothing, |text| Self::Text(text.as_str()))
            }
        }
    }
}

impl Serialize for Cell<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Truth(truth) => serializer.serialize_bool(*truth),
            Self::Files(files) => serialize_files(files, serializer),
            Self::Joined(text) => serializer.serialize_str(text),
            Self::Moment(moment) => serializer.collect_str(moment),
            Self::Reported(moment) => serializer.collect_str(moment),
            Self::Nothing => serializer.serialize_none(),
        }
    }
}

#[derive(Serialize)]
struct File<'a> {
    name: &'a str,
}

fn serialize_files<S: Serializer>(files: &[FileName], serializer: S) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(Some(files.len()))?;
    for file in files {
        list.serialize_element(&File { name: file.as_str() })?;
    }
    list.end()
}
