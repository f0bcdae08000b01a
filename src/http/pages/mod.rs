//! The pages for people: `GET /`, `/entry`, `/file`, and the assets that they load.

mod asset;
pub(super) mod entry;
pub(super) mod file;
mod html;
pub(super) mod overview;

pub(super) use asset::asset;
