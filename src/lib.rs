//! gitops-status-server keeps the latest sync status of every repository on every server.
//!
//! A map of the crate, from the inside out; a module may use those above it and no others, with
//! [`app`] as the one that puts them together. `ARCHITECTURE.md` tells the whole story.
//!
//! - [`domain`]: reports, entries, their life, filters. Pure.
//! - [`clock`]: what time it is.
//! - [`store`]: entries and their history on disk.
//! - [`render`]: entries as JSON and CSV.
//! - [`metrics`]: what Prometheus is told.
//! - [`board`]: the service: takes updates, shows the state.
//! - [`http`]: paths, parameters, bodies, answers.
//! - [`config`], [`cli`], [`logging`], [`shutdown`]: the program around it.
//! - [`app`]: puts it all together and runs it.

pub mod app;
pub mod board;
pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod http;
pub mod logging;
pub mod metrics;
pub mod page;
pub mod render;
pub mod shutdown;
pub mod store;
