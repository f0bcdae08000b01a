//! Pages for people: the fleet at a glance, one entry, one file. HTML of what the domain knows.
//!
//! Knows the domain only: how things look, not who asked for them or how they are sent. Every link
//! is relative, so that the pages work under any path prefix.

mod asset;
mod entry;
mod file;
mod frame;
mod moment;
mod overview;
mod parameters;
mod problem;
mod row;
mod wall;

pub use asset::{Asset, asset};
pub use entry::{EntryPage, Past};
pub use file::FilePage;
pub use overview::{OTHER_PARAMETERS, OverviewQuery, View, overview};
pub use parameters::Parameters;
pub use problem::problem;

use thiserror::Error;

use crate::domain::GivenUp;

/// Why there is no page.
#[derive(Debug, Error)]
pub enum PageError {
    /// It took too much, or nobody waits for it any more.
    #[error(transparent)]
    GivenUp(#[from] GivenUp),
    /// It cannot be written, of which no case is known: the text is written into memory.
    #[error(transparent)]
    Text(#[from] askama::Error),
}

/// What the pages of one moment have in common.
#[derive(Clone, Debug)]
pub struct PageContext {
    /// What time it is, for ages.
    pub now: crate::domain::Timestamp,
    /// Where the server is reached, as `http://host:port`, for lines to copy.
    pub origin: String,
}
