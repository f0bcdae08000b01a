//! The store: where entries and their history outlive the process.
//!
//! Knows the domain and databases; knows nothing of HTTP, of queues, or of what time it is.

mod archive;
mod backup;
mod column;
mod error;
mod history;
mod migrations;
mod moving;
pub mod postgres;
mod record;
mod replica;
mod rows;
mod soundness;
pub mod sqlite;
#[expect(clippy::module_inception, reason = "it has the trait of that name")]
mod store;

pub use archive::{Archive, KeyPredicate};
pub use backup::{BackupError, BackupPlace, Copied, KeptBackup};
pub use error::{CommitError, OpenError, StoreError};
pub use moving::{Contents, Counts, Incoming, Outgoing, Record};
pub use replica::{Meeting, Presence, Replica};
pub use soundness::{Examination, Examined, Part, Soundness};
pub use store::{CommitOutcome, Committed, Loaded, Store, Usage};
