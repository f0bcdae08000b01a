//! The service in the middle: takes requests, and shows the snapshot that they have made.
//!
//! Commit, then publish, then answer: nobody sees what is not on disk, and reading waits for
//! nothing. Knows the domain and the store; knows nothing of HTTP.

mod answer;
mod backups;
#[expect(clippy::module_inception, reason = "it has the type of that name")]
mod board;
mod checker;
mod committer;
mod differences;
mod errands;
mod feed;
mod follower;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod item;
mod log_line;
mod past;
mod pruner;
mod published;
mod quarantine;
mod queue;
mod replicas;
mod shared;
mod start;
mod timekeeper;
mod trimmer;
mod upkeep;
mod writer;

pub use crate::store::{BackupError, Copied};
pub use answer::{Answer, Answers, Refusal};
pub use backups::{BackupSettings, Backups};
pub use board::{Board, BoardSettings};
pub use checker::Checker;
pub use feed::{Feed, Listener, Step};
pub use follower::Follower;
pub use past::Unanswered;
pub use start::Start;
pub use writer::Writer;
