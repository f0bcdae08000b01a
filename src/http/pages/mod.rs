//! The pages for people: `GET /`, `/entry`, `/file`, signing in, and the assets that they load.

mod asset;
pub(super) mod entry;
pub(super) mod file;
mod html;
pub(super) mod login;
pub(super) mod overview;

pub(super) use asset::asset;
pub(super) use html::with_errors_as_pages;
