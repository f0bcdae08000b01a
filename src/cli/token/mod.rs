//! `token`: makes tokens, and says what one may do.
//!
//! A token never is an argument: every user of a machine sees the arguments of its programs.

mod check;
mod command;
mod new;

pub use check::{CheckToken, Verdict, check_token};
pub(super) use command::{TOKEN, command, read};
pub use new::{NewToken, new_token};
