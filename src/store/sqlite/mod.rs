//! A store in a SQLite file.
//!
//! One connection writes. After any error it is dropped and a new one is opened, since what an
//! error has left behind in a connection is not known; see `docs/decisions/0002-commits.md`. The
//! history is read beside it, by connections that only read.

mod aside;
mod check;
mod commit;
mod compact;
mod connection;
mod create;
mod ends;
mod file;
mod gate;
mod history;
mod inspect;
mod open;
mod pairs;
mod prune;
mod readers;
mod remake;
mod repair;
mod rows;
mod sighting_log;
mod sightings;
mod sql;
mod store;
mod stored_entries;
mod timeline;
mod upkeep;
mod wal;

pub use compact::Compacted;
pub use repair::{HistoryRepair, Repair};
pub use store::SqliteStore;
