//! The log: one line a message on standard error, with UTC times, as text or as JSON.
//!
//! Lines go through a queue to a thread of their own, so that an output that nobody reads blocks
//! nothing else ([decision 16](../../docs/decisions/0016-the-log.md)). The levels come from
//! `RUST_LOG`, which is the logger's variable and no setting of the program. This module must not
//! know what is logged.

mod form;
mod logger;
mod queue;
mod writer;

pub use form::{format, say, set_format};
pub use logger::{Log, Serving, lines_dropped, start};
