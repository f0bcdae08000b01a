//! The log: one line a message on standard error, with UTC times.
//!
//! Levels are `RUST_LOG`'s, which belongs to the logger and is not one of the program's settings.
//! This module must not know what is logged.

use std::env;

use env_logger::Builder;
use log::LevelFilter;

/// Starts logging for the whole process; a second call changes nothing.
///
/// What `RUST_LOG` does not speak of is logged from level info, so an empty `RUST_LOG` leaves the
/// default, and so does one that is wrong, of which the log's first line tells. A line that cannot
/// be written, because standard error is closed or its disk is full, is dropped.
pub fn start() {
    let mut logger = Builder::new();
    logger
        .filter_level(LevelFilter::Info)
        // What the web server says of its threads tells an operator nothing.
        .filter_module("actix_server", LevelFilter::Warn)
        .format_timestamp_millis()
        .format_target(false);
    let levels = variable("RUST_LOG").unwrap_or_default();
    // The logger would say what is wrong by itself, and panic if that cannot be written.
    let wrong = env_filter::Builder::new().try_parse(&levels).err();
    if wrong.is_none() {
        logger.parse_filters(&levels);
    }
    if let Some(style) = variable("RUST_LOG_STYLE") {
        logger.parse_write_style(&style);
    }
    // The only error is that there is a logger already, as in tests.
    drop(logger.try_init());
    if let Some(error) = wrong {
        log::warn!("RUST_LOG is not taken: {error}");
    }
}

#[expect(clippy::disallowed_methods, reason = "these are the logger's variables, not settings")]
fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}
