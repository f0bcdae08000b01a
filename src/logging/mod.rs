//! The log: one line a message on standard error, with UTC times.
//!
//! Lines go through a queue to a thread of their own, so that an output that nobody reads holds
//! nothing up ([decision 16](../../docs/decisions/0016-the-log.md)). Levels are `RUST_LOG`'s, which
//! belongs to the logger and is not one of the program's settings. This module must not know what
//! is logged.

mod queue;
mod writer;

use std::io;
use std::panic::PanicHookInfo;
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use env_logger::{Builder, Logger, Target, WriteStyle};
use log::LevelFilter;

use self::queue::Queue;

/// How long the end of the program waits for its last lines to be written.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The lines that wait to be written: one for the process, as its logger and standard error are.
static QUEUE: Queue = Queue::new();

/// The started log. The end of the program drops it, and waits a second at most for what has been
/// logged to be written.
#[derive(Debug)]
pub struct Log(());

/// The time in which the program serves: lines beyond the queue's bound are dropped and counted.
#[derive(Debug)]
#[must_use = "no line is dropped any more once this is dropped"]
pub struct Serving<'log>(#[expect(dead_code, reason = "outlived by the log")] &'log Log);

/// Starts logging for the whole process.
///
/// What `RUST_LOG` does not speak of is logged from level info, so an empty `RUST_LOG` leaves the
/// default, and so does one that is wrong, of which the log's first line tells. A line that cannot
/// be written, because standard error is closed or its disk is full, is dropped and counted.
///
/// # Errors
/// What the system says if it starts no thread.
pub fn start() -> io::Result<Log> {
    let levels = variable("RUST_LOG").unwrap_or_default();
    // The logger would say what is wrong by itself, and panic if that cannot be written.
    let wrong = env_filter::Builder::new().try_parse(&levels).err();
    let levels = if wrong.is_none() { levels.as_str() } else { "" };
    let style = style();
    let direct = logger(levels, style, Target::Stderr);
    std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || writer::write(&QUEUE, &mut io::stderr(), &direct))?;
    let logger = logger(levels, style, Target::Pipe(Box::new(&QUEUE)));
    log::set_max_level(logger.filter());
    // The only error is that there is a logger already.
    log::set_boxed_logger(Box::new(logger)).ok();
    std::panic::set_hook(Box::new(note_panic));
    if let Some(error) = wrong {
        log::warn!("RUST_LOG is not taken: {error}");
    }
    Ok(Log(()))
}

/// Returns how many lines have been dropped since the program started.
#[must_use]
pub fn lines_dropped() -> u64 {
    QUEUE.lines_dropped()
}

impl Log {
    /// Says that the program serves from here on, until what is returned is dropped.
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

fn logger(levels: &str, style: WriteStyle, target: Target) -> Logger {
    Builder::new()
        .filter_level(LevelFilter::Info)
        // What the web server says of its threads tells an operator nothing.
        .filter_module("actix_server", LevelFilter::Warn)
        .parse_filters(levels)
        .format_timestamp_millis()
        .format_target(false)
        .write_style(style)
        .target(target)
        .build()
}

/// Whether lines are coloured: the logger itself looks only at outputs that it knows.
fn style() -> WriteStyle {
    match variable("RUST_LOG_STYLE").as_deref() {
        Some("always") => WriteStyle::Always,
        Some("never") => WriteStyle::Never,
        _ if AutoStream::choice(&io::stderr()) == ColorChoice::Never => WriteStyle::Never,
        _ => WriteStyle::Always,
    }
}

/// Logs a panic, which would otherwise be written by the thread that panics.
fn note_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    log::error!("Panic at {place}: {:?}", panic.payload_as_str().unwrap_or_default());
}

#[expect(clippy::disallowed_methods, reason = "these are the logger's variables, not settings")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
