//! The store in PostgreSQL, which any number of replicas share.
//!
//! One connection commits, one follows what others commit, one trims and measures, and a few answer
//! questions about the history. An error closes the connection; see `docs/decisions/0023-postgresql.md`.

mod absence;
mod check;
mod columns;
mod commit;
mod connect_error;
mod feed;
mod history_sql;
mod incoming;
mod line;
mod login;
mod open;
mod outgoing;
mod pooler;
mod prune;
mod readers;
mod records;
mod server;
mod sql;
mod sqlstate;
mod store;
mod stored_entries;
mod target;
mod upkeep;

pub use connect_error::ConnectError;
pub use login::{Host, Login, LoginFiles, Tls};
pub use server::{OLDEST_VERSION, Server, SessionLimits};
pub use store::PostgresStore;
pub use target::{Session, Target};
