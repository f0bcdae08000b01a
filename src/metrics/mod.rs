//! Metrics: the state of the entries and of the program, for Prometheus.
//!
//! Every metric's name is in this module and in `docs/metrics.md`; a test compares the two. The
//! module knows the domain and what a store reports about its disk. It does not know HTTP.

mod backups;
mod commits;
mod connections;
mod expired_drifted;
mod gauges;
mod instruments;
mod registry;
mod replica_state;
mod requests;
mod series;
mod text;
mod tls;
mod tokens;
mod updates;

pub use backups::BackupState;
pub use commits::Commits;
pub use connections::{Closing, ConnectionCounts};
pub use gauges::{Gauges, QueueLoad};
pub use instruments::Breakdown;
pub use registry::{MEDIA_TYPE, Metrics};
pub use replica_state::ReplicaState;
pub use requests::{RequestCounter, Requests};
pub use series::EntrySeries;
pub use tls::{Handshake, TlsUse};
pub use tokens::TokenUse;
pub use updates::Updates;
