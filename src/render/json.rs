//! Rows as JSON.

use super::cell::{Cell, Content, RowPosition};
use super::{Layout, RenderError, Shape};
use crate::domain::{FileName, Rfc3339, Standing};

/// Writes an entry as an element of a JSON array.
///
/// # Errors
/// See [`RenderError`].
pub fn json_row(
    out: &mut Vec<u8>,
    standing: &Standing,
    layout: &Layout,
) -> Result<(), RenderError> {
    write_row(out, standing, layout, &mut RowPosition::default(), usize::MAX).map(|_| ())
}

/// Writes a row, or the rest of it; stops after a file name once `out` has `limit` bytes. Returns
/// whether the row is complete.
pub(super) fn write_row(
    out: &mut Vec<u8>,
    standing: &Standing,
    layout: &Layout,
    position: &mut RowPosition,
    limit: usize,
) -> Result<bool, RenderError> {
    if position.is_start() {
        out.push(b'{');
    }
    while let Some(&column) = layout.columns().get(position.column) {
        if position.names == 0 {
            if position.column > 0 {
                out.push(b',');
            }
            // Column names need no escaping.
            out.push(b'"');
            out.extend_from_slice(column.name().as_bytes());
            out.extend_from_slice(b"\":");
        }
        match Content::of(standing, column, layout.shape) {
            // Nor do times, and searching them for characters to escape takes longer than writing them.
            Content::One(Cell::Moment(moment)) => write_moment(out, &moment.rfc3339()),
            Content::One(Cell::Reported(moment)) => write_moment(out, &moment.rfc3339()),
            Content::One(other) => serde_json::to_writer(&mut *out, &other)?,
            Content::Files(files) => {
                let write_files = match layout.shape {
                    Shape::Nested => write_nested,
                    Shape::Flat => write_joined,
                };
                if !write_files(out, files, &mut position.names, limit)? {
                    return Ok(false);
                }
            }
        }
        position.next_column();
    }
    out.push(b'}');
    Ok(true)
}

/// Writes file names as an array of objects, until `out` has `limit` bytes.
fn write_nested(
    out: &mut Vec<u8>,
    files: &[FileName],
    written: &mut usize,
    limit: usize,
) -> Result<bool, RenderError> {
    if *written == 0 {
        out.push(b'[');
    }
    while let Some(name) = files.get(*written) {
        if *written > 0 {
            if out.len() >= limit {
                return Ok(false);
            }
            out.push(b',');
        }
        out.extend_from_slice(b"{\"name\":");
        serde_json::to_writer(&mut *out, name.as_str())?;
        out.push(b'}');
        *written += 1;
    }
    out.push(b']');
    Ok(true)
}

/// Writes file names as one text, joined as in [`Column::joined_files`](crate::domain::Column),
/// until `out` has `limit` bytes.
fn write_joined(
    out: &mut Vec<u8>,
    files: &[FileName],
    written: &mut usize,
    limit: usize,
) -> Result<bool, RenderError> {
    if files.is_empty() {
        out.extend_from_slice(b"\"\"");
    }
    while let Some(name) = files.get(*written) {
        let start = out.len();
        if *written > 0 && start >= limit {
            return Ok(false);
        }
        serde_json::to_writer(&mut *out, name.as_str())?;
        *written += 1;
        if *written < files.len() {
            // The closing quote becomes the comma, and the next opening quote the blank.
            overwrite(out.last_mut(), b',');
        }
        if *written > 1 {
            overwrite(out.get_mut(start), b' ');
        }
    }
    Ok(true)
}

fn overwrite(target: Option<&mut u8>, byte: u8) {
    if let Some(target) = target {
        *target = byte;
    }
}

fn write_moment(out: &mut Vec<u8>, moment: &Rfc3339) {
    out.push(b'"');
    out.extend_from_slice(moment.as_bytes());
    out.push(b'"');
}
