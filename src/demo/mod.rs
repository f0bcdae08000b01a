//! The fleet of `demo`: 300 servers and 25 repositories that live faster than real ones.
//!
//! [`Fleet`] is pure: the seed decides who reports what, and when. [`Pace`] says when that is by the
//! clock. Everything else brings its reports somewhere: into a store before the start ([`live_past`]),
//! to a running server ([`Life`]), or into lines of JSON ([`write_lines`]).

mod act;
mod chance;
mod client;
mod fleet;
mod incidents;
mod inventory;
mod json;
mod life;
mod lines;
mod pace;
mod past;
mod report;
mod timetable;
mod verdict;

pub use act::Act;
pub use fleet::Fleet;
pub use life::Life;
pub use lines::write_lines;
pub use pace::{HIGHEST_SPEED, Pace};
pub use past::{PastError, live_past};
