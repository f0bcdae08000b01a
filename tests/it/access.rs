//! Who may write, remove and read.

mod answers;
mod browsing;
mod caches;
pub mod kit;
mod log;
mod matrix;
mod metrics;
mod reload;
mod streams;
mod table;
