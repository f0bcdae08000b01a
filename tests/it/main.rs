//! Tests of the program from outside, as one binary: a new file of tests is a module here.
//!
//! `support` runs the application in this process with a clock that tests move
//! ([`support::TestApp`]), or as a separate process ([`support::Process`]). Tests do not sleep: they
//! move the clock or wait for a condition.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::too_many_lines,
    clippy::format_push_string,
    clippy::disallowed_methods,
    clippy::unchecked_time_subtraction,
    clippy::print_stderr,
    missing_docs,
    reason = "a test stops at the first surprise, waits in real time, and may be a long table"
)]

mod access;
mod admin;
mod backup;
mod badge;
mod board;
mod bodies;
mod builds;
mod capacity;
mod clock;
mod compatibility;
mod config;
mod connections;
mod damage;
mod dashboards;
mod database_login;
mod database_start;
mod demo;
mod disk;
mod documents;
mod drifts;
mod durability;
mod embedding;
mod events;
mod expiry;
mod exports;
mod faults;
mod figures;
mod filters;
mod folding;
mod formats;
mod framing;
mod freed_disk;
mod hangs;
mod history;
mod infinity;
mod kills;
mod kubernetes;
mod log;
mod log_format;
mod log_size;
mod malformed;
mod manual;
mod metrics;
mod migrating;
mod moving;
mod naming;
mod openapi;
mod operations;
mod outages;
mod overload;
mod pages;
mod panels;
mod pipelining;
mod postgres;
mod prometheus;
mod promises;
mod proxies;
mod replicas;
mod reporting;
mod reports;
mod restored;
mod retention;
mod rig;
mod rotation;
mod scenarios;
mod schedules;
mod schemas;
mod scraping;
mod secrets;
mod seed;
mod selection;
mod sending;
mod shutdown;
mod sign_in;
mod sites;
mod slow_clients;
mod startup;
mod store;
mod support;
mod systemd;
mod tidy;
mod timeline;
mod tls;
mod token_commands;
mod tokens_file;
mod upgrades;
mod warnings;
