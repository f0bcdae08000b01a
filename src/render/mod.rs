//! Entries as bytes: rows as JSON and CSV, the list of all entries, figures, badges, the
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
mod ready;
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
pub use ready::ready_list;
pub use rows::{Format, Rows};
pub use timeline::timeline;
pub use whole::{is_whole_gzip_ready, is_whole_nearly_ready, whole, whole_gzip};
