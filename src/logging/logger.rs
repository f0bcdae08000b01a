//! The logger: where lines come from, their levels, and the start and end of the log.

use std::io;
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use env_logger::{Builder, Logger, Target, WriteStyle};
use log::LevelFilter;

use super::queue::Queue;
use super::{form, writer};
use crate::config::LogFormat;

/// How long the program waits at its end for the last lines to be written.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The lines to write. There is one queue for the process, as there is one standard error.
static QUEUE: Queue = Queue::new();

/// The log. Dropping it at the end of the program waits at most a second for the last lines to be
/// written.
#[derive(Debug)]
pub struct Log(());

/// While this exists, the program serves: lines beyond the queue's bound are dropped and counted.
#[derive(Debug)]
#[must_use = "the queue is unbounded again once this is dropped"]
pub struct Serving<'log>(#[expect(dead_code, reason = "outlived by the log")] &'log Log);

/// Starts logging for the whole process, in the form that [`set_format`](super::set_format) has set.
///
/// `RUST_LOG` can change the default level for all modules or for some. If `RUST_LOG` is
/// invalid it is ignored, and the first line of the log says so. A line that cannot be written,
/// because standard error is closed or its disk is full, is dropped and counted.
///
/// # Errors
/// Any error of the system when it cannot start a thread.
pub fn start(default: LevelFilter) -> io::Result<Log> {
    let levels = variable("RUST_LOG").unwrap_or_default();
    // The logger would print an error itself, and panic if standard error is closed.
    let wrong = env_filter::Builder::new().try_parse(&levels).err();
    let levels = if wrong.is_none() { levels.as_str() } else { "" };
    let style = style();
    let direct = logger(default, levels, style, Target::Stderr);
    std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || writer::write(&QUEUE, &mut io::stderr(), &direct))?;
    let logger = logger(default, levels, style, Target::Pipe(Box::new(&QUEUE)));
    log::set_max_level(logger.filter());
    // The only possible error is that a logger is already set.
    log::set_boxed_logger(Box::new(logger)).ok();
    // The default hook would write to standard error from the panicking thread.
    std::panic::set_hook(Box::new(|panic| log::error!("{}", form::described(panic))));
    if let Some(error) = wrong {
        log::warn!("RUST_LOG is invalid and ignored: {error}");
    }
    Ok(Log(()))
}

/// Returns the number of lines dropped since the program started.
#[must_use]
pub fn lines_dropped() -> u64 {
    QUEUE.lines_dropped()
}

impl Log {
    /// Allows lines to be dropped until the returned guard is dropped.
    pub fn serve(&self) -> Serving<'_> {
        QUEUE.may_drop(true);
        Serving(self)
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        QUEUE.wait_until_written(LAST_WORDS);
    }
}

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        QUEUE.may_drop(false);
    }
}

fn logger(default: LevelFilter, levels: &str, style: WriteStyle, target: Target) -> Logger {
    let mut builder = Builder::new();
    if form::format() == LogFormat::Json {
        builder.format(form::write_json);
    }
    builder
        .filter_level(default)
        // The web server's lines about its threads are of no use to an operator.
        .filter_module("actix_server", LevelFilter::Warn)
        // It logs that an answer broke off, but not which. `http::request_log` logs that.
        .filter_module("actix_http::h1::dispatcher", LevelFilter::Off)
        .parse_filters(levels)
        .format_timestamp_millis()
        .format_target(false)
        .write_style(style)
        .target(target)
        .build()
}

/// Decides whether lines are coloured: the logger cannot tell for a queue.
fn style() -> WriteStyle {
    if form::format() == LogFormat::Json {
        return WriteStyle::Never;
    }
    match variable("RUST_LOG_STYLE").as_deref() {
        Some("always") => WriteStyle::Always,
        Some("never") => WriteStyle::Never,
        _ if AutoStream::choice(&io::stderr()) == ColorChoice::Never => WriteStyle::Never,
        _ => WriteStyle::Always,
    }
}

#[expect(clippy::disallowed_methods, reason = "these are the logger's variables, not settings")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
