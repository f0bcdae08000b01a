//! Whole copies of a database: made beside the server or without one, checked, and put back.

mod closed;
mod draft;
mod folder;
mod look;
mod online;
mod pages;
mod restore;

pub use closed::ClosedDatabase;
pub(super) use draft::remove_drafts;
pub use look::Holding;
pub(super) use restore::complete;
pub use restore::{BackupSource, Restored};
