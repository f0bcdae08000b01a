//! Who may write, remove and read.

mod answers;
mod browsing;
pub mod kit;
mod log;
mod matrix;
mod metrics;
mod reload;
mod streams;
mod table;
