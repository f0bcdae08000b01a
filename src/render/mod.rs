//! Entries as bytes: rows as JSON and CSV, the cached list of all entries, figures, badges, the
//! history.
//!
//! Knows the domain only. Does not know who asks or how the bytes are sent.

mod badge;
mod cell;
mod csv;
mod error;
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
pub use error::RenderError;
pub use figures::{Figures, RowWindow, figures};
pub use json::json_row;
pub use layout::{Layout, Shape};
pub use pieces::{PIECE, Pieces};
pub use rows::{Format, Rows, ready};
pub use timeline::timeline;
pub use whole::{whole, whole_gzip};
