//! A store in a SQLite file.
//!
//! One connection writes. Any error closes it, because its state after an error is unknown; see
//! `docs/decisions/0002-commits.md`. Other connections only read: they answer questions about the
//! history.

mod aside;
mod backup;
mod check;
mod commit;
mod compact;
mod connection;
mod create;
mod ends;
mod file;
mod gate;
mod history_sql;
mod incoming;
mod inspect;
mod open;
mod outages;
mod outgoing;
mod pairs;
mod prune;
mod readers;
mod records;
mod remake;
mod repair;
mod result_code;
mod rows;
mod schema;
mod sighting_log;
mod sightings;
mod sql;
mod store;
mod stored_entries;
mod upkeep;
mod wal;
mod writing;

pub use backup::{BackupSource, ClosedDatabase, Holding, Restored};
pub use compact::Compacted;
pub use repair::{HistoryRepair, Repair};
pub use store::SqliteStore;
