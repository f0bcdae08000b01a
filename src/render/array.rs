//! JSON arrays that are written row by row.

use super::RenderError;
use super::pieces::{PIECE, Pieces};

/// A JSON array, and what stands around it.
pub(super) struct Array<I, W> {
    /// What comes before the rows, until it has been written.
    start: Option<&'static str>,
    rows: I,
    write: W,
    needs_comma: bool,
    end: String,
}

impl<I, W> Array<I, W>
where
    I: Iterator + Send + 'static,
    W: FnMut(&mut Vec<u8>, I::Item) -> Result<(), RenderError> + Send + 'static,
{
    /// Makes an array of rows, each to be written by `write`.
    pub(super) fn new(rows: impl IntoIterator<IntoIter = I>, write: W) -> Self {
        Self::within("[", rows, write, "]".to_owned())
    }

    /// Makes an array with other things before and behind it than brackets.
    pub(super) fn within(
        start: &'static str,
        rows: impl IntoIterator<IntoIter = I>,
        write: W,
        end: String,
    ) -> Self {
        Self { start: Some(start), rows: rows.into_iter(), write, needs_comma: false, end }
    }
}

impl<I, W> Pieces for Array<I, W>
where
    I: Iterator + Send + 'static,
    W: FnMut(&mut Vec<u8>, I::Item) -> Result<(), RenderError> + Send + 'static,
{
    fn write(&mut self, out: &mut Vec<u8>) -> Result<bool, RenderError> {
        out.extend_from_slice(self.start.take().unwrap_or_default().as_bytes());
        while out.len() < PIECE {
            let Some(row) = self.rows.next() else {
                out.extend_from_slice(self.end.as_bytes());
                return Ok(false);
            };
            if self.needs_comma {
                out.push(b',');
            }
            self.needs_comma = true;
            (self.write)(out, row)?;
        }
        Ok(true)
    }
}
