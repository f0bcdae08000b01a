//! Exports: everything that a store holds as lines of JSON, written and read.
//!
//! Knows stores only by their traits, and knows no files: it writes to and reads from streams. Entries
//! and transitions have the words of the API. `docs/operations.md` describes the lines.

mod error;
mod export;
mod import;
mod line;
mod moment;
mod progress;
mod reader;

pub use error::TransferError;
pub use export::export;
pub use import::{Imported, import};
pub use progress::Progress;
