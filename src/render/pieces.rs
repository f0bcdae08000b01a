//! Answers that are rendered piece by piece, as fast as they are read.
//!
//! What waits for a slow reader is a piece, the state, and the places of the rows to come; not the
//! answer.

use std::collections::VecDeque;

use bytes::Bytes;

use super::RenderError;

/// How many bytes a piece has, and one name more at most.
pub const PIECE: usize = 32 * 1024;

/// Something to be rendered piece by piece.
pub trait Pieces: Send + 'static {
    /// Appends what comes next, until there is a [`PIECE`]. Returns whether something is left.
    ///
    /// # Errors
    /// See [`RenderError`].
    fn write(&mut self, out: &mut Vec<u8>) -> Result<bool, RenderError>;
}

/// Parts that are there already.
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

/// Where a row goes on that is written in pieces: a row may be larger than many answers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Place {
    /// At which of its columns.
    pub(super) column: usize,
    /// After how many of the names in that column.
    pub(super) names: usize,
}

impl Place {
    pub(super) fn is_start(self) -> bool {
        self == Self::default()
    }

    /// Goes on to the next column.
    pub(super) fn leave_cell(&mut self) {
        *self = Self { column: self.column + 1, names: 0 };
    }
}
