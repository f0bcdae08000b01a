//! Rows as CSV (RFC 4180).

use std::borrow::Cow;

use super::Shape;
use super::cell::{Cell, Content, RowPosition};
use crate::domain::{Column, FileName, Standing};

/// Writes the header line.
pub(super) fn write_header(out: &mut Vec<u8>, columns: &[Column]) {
    for (position, column) in columns.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        // No name of a column needs quotes.
        out.extend_from_slice(column.name().as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes a flat row from a position on. Stops after a file name once `out` has `limit` bytes.
/// Returns whether the row is complete.
pub(super) fn write_row(
    out: &mut Vec<u8>,
    standing: &Standing,
    columns: &[Column],
    position: &mut RowPosition,
    limit: usize,
) -> bool {
    while let Some(&column) = columns.get(position.column) {
        if position.column > 0 && position.names == 0 {
            out.push(b',');
        }
        let start = out.len();
        match Content::of(standing, column, Shape::Flat) {
            Content::One(cell) => write_field(out, &text(&cell), is_from_a_reporter(column)),
            Content::Files(files) => {
                if !write_files(out, files, &mut position.names, limit) {
                    return false;
                }
            }
        }
        if columns.len() == 1 && position.names == 0 && out.len() == start {
            // An empty line is not a record.
            out.extend_from_slice(b"\"\"");
        }
        position.next_column();
    }
    out.extend_from_slice(b"\r\n");
    true
}

fn text<'a>(cell: &Cell<'a>) -> Cow<'a, str> {
    match cell {
        Cell::Text(text) => Cow::Borrowed(text),
        Cell::Number(number) => Cow::Owned(number.to_string()),
        Cell::Truth(truth) => Cow::Borrowed(if *truth { "1" } else { "0" }),
        Cell::Moment(moment) => Cow::Owned(moment.to_string()),
        Cell::Reported(moment) => Cow::Owned(moment.to_string()),
        Cell::Nothing => Cow::Borrowed(""),
    }
}

fn is_from_a_reporter(column: Column) -> bool {
    match column {
        Column::Repo | Column::Server | Column::Files | Column::Revision | Column::Url => true,
        Column::SyncStatus
        | Column::StatusCode
        | Column::DriftCount
        | Column::FileCount
        | Column::LastCheck
        | Column::UpdatedAt
        | Column::StatusSince
        | Column::Stale
        | Column::ExpiresAt
        | Column::DriftedSince => false,
    }
}

/// Whether a spreadsheet would run the text as a formula.
fn is_formula(text: &str) -> bool {
    // From OWASP's page on CSV injection, with the full-width forms.
    const STARTS: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];
    text.starts_with(STARTS)
}

fn needs_quotes(text: &str) -> bool {
    text.bytes().any(|byte| matches!(byte, b',' | b'"' | b'\r' | b'\n'))
}

fn write_field(out: &mut Vec<u8>, text: &str, is_from_a_reporter: bool) {
    let is_quoted = needs_quotes(text);
    start_field(out, is_quoted, is_from_a_reporter && is_formula(text));
    write_text(out, text);
    if is_quoted {
        out.push(b'"');
    }
}

/// Starts a field. An apostrophe makes spreadsheets take a formula as text.
fn start_field(out: &mut Vec<u8>, is_quoted: bool, is_formula: bool) {
    if is_quoted {
        out.push(b'"');
    }
    if is_formula {
        out.push(b'\'');
    }
}

/// Writes the text of a field with its quotes doubled.
fn write_text(out: &mut Vec<u8>, text: &str) {
    for (position, part) in text.split('"').enumerate() {
        if position > 0 {
            out.extend_from_slice(b"\"\"");
        }
        out.extend_from_slice(part.as_bytes());
    }
}

/// Writes file names as one field, joined as in [`Column::joined_files`], until `out` has `limit`
/// bytes. Returns whether all are written.
fn write_files(out: &mut Vec<u8>, files: &[FileName], written: &mut usize, limit: usize) -> bool {
    let Some(first) = files.first().map(FileName::as_str) else { return true };
    // They are joined by a comma.
    let is_quoted = files.len() > 1 || needs_quotes(first);
    if *written == 0 {
        start_field(out, is_quoted, is_formula(first));
    }
    while let Some(name) = files.get(*written) {
        if *written > 0 {
            if out.len() >= limit {
                return false;
            }
            out.extend_from_slice(b", ");
        }
        write_text(out, name.as_str());
        *written += 1;
    }
    if is_quoted {
        out.push(b'"');
    }
    true
}
