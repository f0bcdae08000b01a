//! JSON arrays of rows.

use std::ops::Range;

use bytes::Bytes;

use super::cell::Cell;
use super::{Layout, RenderError, Shape};
use crate::domain::{Column, Outdated, Rfc3339, Rows, Run, Segment, Selected, Slot};

/// Returns a JSON array of the selected entries.
///
/// # Errors
/// See [`RenderError`].
pub fn json(selected: &Selected<'_>, layout: &Layout) -> Result<Bytes, RenderError> {
    let mut out = vec![b'['];
    let is_plain = *layout == (Layout { shape: Shape::Nested, only: None });
    for run in &selected.runs {
        if is_plain {
            write_plain_run(&mut out, run)?;
        } else {
            for slot in run.slots() {
                start_row(&mut out);
                write_row(&mut out, slot, layout.columns(), layout.shape)?;
            }
        }
    }
    out.push(b']');
    Ok(out.into())
}

/// Writes one entry as it is in a JSON array.
///
/// # Errors
/// See [`RenderError`].
pub fn json_row(out: &mut Vec<u8>, slot: &Slot, layout: &Layout) -> Result<(), RenderError> {
    write_row(out, slot, layout.columns(), layout.shape)
}

/// Returns the listed entries of a segment as plain rows, joined by commas; made once.
///
/// Only what has changed is written anew: an update of one entry costs its row, not its segment.
pub(super) fn rows(segment: &Segment) -> Result<&Rows, RenderError> {
    let memo = segment.memo();
    if let Some(rows) = memo.rows.get() {
        return Ok(rows);
    }
    let outdated = memo.take_outdated();
    let size = outdated.as_ref().map_or_else(|| likely_size(segment), Outdated::size);
    let mut bytes = Vec::with_capacity(size);
    let mut ends = Vec::with_capacity(segment.slots().len());
    for (place, slot) in segment.slots().iter().enumerate() {
        if slot.is_listed() {
            if !bytes.is_empty() {
                bytes.push(b',');
            }
            match outdated.as_ref().and_then(|outdated| unchanged(outdated, place)) {
                Some(row) => bytes.extend_from_slice(row),
                None => write_row(&mut bytes, slot, Shape::Nested.columns(), Shape::Nested)?,
            }
        }
        ends.push(u32::try_from(bytes.len())?);
    }
    // What was asked for and is not needed goes back; to grow would have cost a copy.
    bytes.shrink_to_fit();
    let rows = Rows { bytes: bytes.into(), ends: ends.into() };
    Ok(memo.rows.get_or_init(|| rows))
}

/// Returns about how many bytes the rows of a segment take, rather too many than too few.
fn likely_size(segment: &Segment) -> usize {
    // The names and the times of a row, beside what the weight has of them.
    const MORE_A_ROW: usize = 200;
    segment.weight() + segment.slots().len() * MORE_A_ROW
}

/// Returns the row of an entry that has not changed since the rows were made.
fn unchanged(outdated: &Outdated, place: usize) -> Option<&[u8]> {
    let Outdated { rows, changed } = outdated;
    if changed.contains(&place) { None } else { slice(rows, &(place..place + 1)) }
}

/// Writes plain rows: ready ones if the segment has them or many are asked for.
fn write_plain_run(out: &mut Vec<u8>, run: &Run<'_>) -> Result<(), RenderError> {
    let memo = run.segment.memo();
    let is_worth_it = 2 * run.places.len() >= run.segment.slots().len();
    if is_worth_it || memo.has_most_rows() {
        let rows = rows(run.segment)?;
        if let Some(ready) = slice(rows, &run.places) {
            start_row(out);
            out.extend_from_slice(ready);
        }
    } else {
        for slot in run.slots() {
            start_row(out);
            write_row(out, slot, Shape::Nested.columns(), Shape::Nested)?;
        }
    }
    Ok(())
}

/// Returns the bytes of neighbouring rows, without a comma at either end.
fn slice<'a>(rows: &'a Rows, places: &Range<usize>) -> Option<&'a [u8]> {
    let end_of = |place: usize| rows.ends.get(place).map(|&end| end as usize);
    let start = places.start.checked_sub(1).and_then(end_of).unwrap_or(0);
    let end = places.end.checked_sub(1).and_then(end_of)?;
    let bytes = rows.bytes.get(start..end)?;
    Some(bytes.strip_prefix(b",").unwrap_or(bytes))
}

fn start_row(out: &mut Vec<u8>) {
    if out.len() > 1 {
        out.push(b',');
    }
}

fn write_row(
    out: &mut Vec<u8>,
    slot: &Slot,
    columns: &[Column],
    shape: Shape,
) -> Result<(), RenderError> {
    out.push(b'{');
    for (position, &column) in columns.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        // Names of columns have nothing in them to be escaped.
        out.push(b'"');
        out.extend_from_slice(column.name().as_bytes());
        out.extend_from_slice(b"\":");
        match Cell::of(slot, column, shape) {
            // Nor have times, and to look for it takes longer than to write them.
            Cell::Moment(moment) => write_moment(out, &moment.rfc3339()),
            Cell::Reported(moment) => write_moment(out, &moment.rfc3339()),
            other => serde_json::to_writer(&mut *out, &other)?,
        }
    }
    out.push(b'}');
    Ok(())
}

fn write_moment(out: &mut Vec<u8>, moment: &Rfc3339) {
    out.push(b'"');
    out.extend_from_slice(moment.as_bytes());
    out.push(b'"');
}
