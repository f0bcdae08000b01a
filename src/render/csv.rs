//! CSV as RFC 4180 has it: flat rows under a header line.

use std::borrow::Cow;

use bytes::Bytes;
use csv::{Terminator, WriterBuilder};

use super::cell::Cell;
use super::{Layout, RenderError, Shape};
use crate::domain::{Column, Selected};

/// Returns the selected entries as CSV, with the header line also when there are none.
///
/// # Errors
/// See [`RenderError`].
pub fn csv(selected: &Selected<'_>, layout: &Layout) -> Result<Bytes, RenderError> {
    let columns = layout.columns();
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(columns.iter().map(|column| column.name()))?;
    for slot in selected.slots() {
        for &column in columns {
            let cell = Cell::of(slot, column, Shape::Flat);
            writer.write_field(defused(column, &text(&cell)).as_bytes())?;
        }
        writer.write_record(None::<&[u8]>)?;
    }
    let bytes = writer.into_inner().map_err(csv::IntoInnerError::into_error)?;
    Ok(bytes.into())
}

fn text<'a>(cell: &'a Cell<'a>) -> Cow<'a, str> {
    match cell {
        Cell::Text(text) => Cow::Borrowed(text),
        Cell::Joined(text) => Cow::Borrowed(text),
        Cell::Number(number) => Cow::Owned(number.to_string()),
        Cell::Truth(truth) => Cow::Borrowed(if *truth { "1" } else { "0" }),
        Cell::Files(files) => Cow::Owned(Column::joined_files(files)),
        Cell::Moment(moment) => Cow::Owned(moment.to_string()),
        Cell::Reported(moment) => Cow::Owned(moment.to_string()),
        Cell::Nothing => Cow::Borrowed(""),
    }
}

/// Keeps a spreadsheet from running a cell as a formula: an apostrophe in front makes it a text.
fn defused(column: Column, text: &str) -> Cow<'_, str> {
    // The starts of formulas that OWASP lists for CSV injection, and their full-width twins.
    const STARTS: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];
    let is_from_a_reporter = match column {
        Column::Repo | Column::Server | Column::Files | Column::Revision | Column::Url => true,
        Column::SyncStatus
        | Column::StatusCode
        | Column::DriftCount
        | Column::FileCount
        | Column::LastCheck
        | Column::UpdatedAt
        | Column::StatusSince
        | Column::Stale
        | Column::ExpiresAt => false,
    };
    if is_from_a_reporter && text.starts_with(STARTS) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}
