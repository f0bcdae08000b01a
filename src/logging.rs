//! The log: one line a message on standard error, with UTC times.
//!
//! Levels are `RUST_LOG`'s, which belongs to the logger and is not one of the program's settings.
//! This module must not know what is logged.

use env_logger::Builder;
use log::LevelFilter;

/// Starts logging for the whole process; a second call changes nothing.
///
/// What `RUST_LOG` does not speak of is logged from level info, so an empty or unreadable
/// `RUST_LOG` leaves the default. A line that cannot be written, because standard error is closed
/// or its disk is full, is dropped.
pub fn start() {
    let started = Builder::new()
        .filter_level(LevelFilter::Info)
        // What the web server says of its threads tells an operator nothing.
        .filter_module("actix_server", LevelFilter::Warn)
        .parse_default_env()
        .format_timestamp_millis()
        .format_target(false)
        .try_init();
    // The only error is that there is a logger already, as in tests.
    drop(started);
}
