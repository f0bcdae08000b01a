//! gitops-status-server keeps the latest sync status of every repository on every server.
//!
//! The modules, from the inside out. A module uses only those above it; [`app`] wires them together.
//! `ARCHITECTURE.md` has the details.
//!
//! - [`domain`]: reports, entries, how they age, filters. Pure.
//! - [`clock`]: the time.
//! - [`store`]: entries and their history on disk.
//! - [`render`]: entries as JSON and CSV.
//! - [`page`]: entries as HTML.
//! - [`metrics`]: the metrics for Prometheus.
//! - [`board`]: the service that takes updates and publishes the entries.
//! - [`access`]: tokens and rights.
//! - [`tls`]: the certificate, its key, and handshakes.
//! - [`http`]: paths, parameters, bodies, answers.
//! - [`demo`]: a fleet that reports, for `demo`.
//! - [`transfer`]: everything of a store as lines of JSON.
//! - [`config`], [`cli`], [`logging`], [`shutdown`]: settings, command line, log, signals.
//! - [`app`]: builds and runs all of it.

pub mod access;
pub mod app;
pub mod board;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod domain;
pub mod http;
pub mod logging;
pub mod metrics;
mod mutex;
pub mod page;
pub mod render;
pub mod shutdown;
pub mod store;
pub mod tls;
pub mod transfer;
