//! The program from outside, as one test binary: a new file of tests is a module here.
//!
//! `support` has what tests share: the application in this process with a clock that is moved by
//! hand ([`support::TestApp`]), and the real program as a process of its own
//! ([`support::Process`]). Tests do not sleep: they move the clock or wait for a condition.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    missing_docs,
    reason = "a test stops at the first surprise"
)]

mod clock;
mod config;
mod disk;
mod documents;
mod kills;
mod reports;
mod seed;
mod shutdown;
mod startup;
mod support;
mod tidy;
