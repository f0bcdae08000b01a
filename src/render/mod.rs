//! Entries as bytes: JSON rows, flat rows, CSV, the ready-made list of everything, figures over
//! them, and badges.
//!
//! Knows the domain only: what a row looks like, not who asked for it or how it is sent.

mod array;
mod badge;
mod cell;
mod csv;
mod figures;
mod history;
mod json;
mod layout;
mod pieces;
mod rows;
mod timeline;
mod whole;

pub use self::history::history;
pub use badge::badge;
pub use figures::{Figures, RowWindow, figures};
pub use json::json_row;
pub use layout::{Layout, Shape};
pub use pieces::{PIECE, Pieces};
pub use rows::{Format, Rows, ready};
pub use timeline::timeline;
pub use whole::{whole, whole_gzip};

use thiserror::Error;

use crate::domain::GivenUp;

/// Why there is no answer. But for the work that was given up this never happens for entries that
/// were checked, and it is an error rather than a panic so that it would cost one answer only.
#[derive(Debug, Error)]
pub enum RenderError {
    /// As JSON.
    #[error("JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// As text: metrics, or a page.
    #[error("text: {0}")]
    Text(#[from] std::fmt::Error),
    /// Into memory, or compressed.
    #[error("writing: {0}")]
    Writing(#[from] std::io::Error),
    /// Offsets within rendered rows are kept in 32 bits.
    #[error("a segment of 4 GiB")]
    TooLarge(#[from] std::num::TryFromIntError),
    /// It took too much, or nobody waits for it any more.
    #[error(transparent)]
    GivenUp(#[from] GivenUp),
}
