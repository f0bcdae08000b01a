//! Answers that are rendered in pieces, as fast as the client reads them.
//!
//! While a client is slow, the server holds one piece, the snapshot and the position of the next
//! row, instead of the whole answer.

use std::collections::VecDeque;

use bytes::Bytes;

use super::RenderError;

/// The size of a piece in bytes. It may be larger by one row or file name.
pub const PIECE: usize = 32 * 1024;

/// An answer to be rendered in pieces.
pub trait Pieces: Send + 'static {
    /// Appends to `out` until it has a [`PIECE`]. Returns whether anything is left.
    ///
    /// # Errors
    /// See [`RenderError`].
    fn write(&mut self, out: &mut Vec<u8>) -> Result<bool, RenderError>;
}

/// Parts that are rendered already.
impl Pieces for VecDeque<Bytes> {
    fn write(&mut self, out: &mut Vec<u8>) -> Result<bool, RenderError> {
        while let Some(part) = self.front_mut() {
            let room = PIECE.saturating_sub(out.len());
            out.extend_from_slice(&part.split_to(room.min(part.len())));
            if !part.is_empty() {
                return Ok(true);
            }
            self.pop_front();
        }
        Ok(false)
    }
}

impl Pieces for Box<dyn Pieces> {
    fn write(&mut self, out: &mut Vec<u8>) -> Result<bool, RenderError> {
        (**self).write(out)
    }
}

/// A JSON array that is written row by row, and the text around it.
pub(super) struct Array<I, W> {
    /// The text before the rows, until it has been written.
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
    pub(super) fn new(rows: impl IntoIterator<IntoIter = I>, write: W) -> Self {
        Self::within("[", rows, write, "]".to_owned())
    }

    /// Makes an array with more text around it than brackets.
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
