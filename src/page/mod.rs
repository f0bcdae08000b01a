//! Pages for people: the overview of all entries, one entry, one file.
//!
//! These modules turn what the domain knows into HTML. They must not know how a page is sent, and of who
//! asked for it only what the page shows. Links between pages are relative, so that they work under any path prefix.

mod account;
mod asset;
mod bidi;
mod commit_links;
mod context;
mod entry;
mod file;
mod frame;
mod moment;
mod near;
mod overview;
mod parameters;
mod problem;
mod row;
mod tiles;
mod wall;

pub use account::Account;
pub use asset::{Asset, asset};
pub use commit_links::CommitLinks;
pub use context::{PageContext, PageError};
pub use entry::{EntryHistory, EntryPage};
pub use file::FilePage;
pub use overview::{OTHER_PARAMETERS, OverviewQuery, View, overview};
pub use parameters::Parameters;
pub use problem::problem;
