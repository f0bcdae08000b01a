//! The form of the lines on standard error, and lines that are said without the log.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::panic::PanicHookInfo;
use std::sync::OnceLock;

use env_logger::fmt::Formatter;
use env_logger::{Builder, Target, WriteStyle};
use log::{Level, LevelFilter, Log as _, Record};
use serde::Serialize;

use crate::config::LogFormat;

/// Where lines come from that no module of the log's users has logged.
pub(super) const TARGET: &str = env!("CARGO_CRATE_NAME");

/// There is one form for the process, as there is one standard error.
static FORM: OnceLock<LogFormat> = OnceLock::new();

/// A line as JSON.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    level: String,
    message: String,
    target: &'a str,
}

/// Sets the form of everything that the process says on standard error, from now to its end.
pub fn set_format(form: LogFormat) {
    // The first form stays.
    FORM.set(form).ok();
    if form == LogFormat::Json {
        // The default hook would write text.
        std::panic::set_hook(Box::new(|panic| say(Level::Error, &described(panic))));
    }
}

/// Returns the form of what the process says on standard error.
#[must_use]
pub fn format() -> LogFormat {
    FORM.get().copied().unwrap_or_default()
}

/// Says something on standard error without the log: a reason why the program does not start, or what a
/// command has done.
pub fn say(level: Level, message: &str) {
    match format() {
        LogFormat::Text => {
            // If standard error is closed, the exit status must suffice.
            writeln!(io::stderr(), "{message}").ok();
        }
        LogFormat::Json => {
            let message = message.strip_prefix("error: ").unwrap_or(message).trim_end();
            let mut direct = Builder::new();
            direct.filter_level(LevelFilter::Trace).format(write_json);
            let direct = direct.write_style(WriteStyle::Never).target(Target::Stderr).build();
            let args = format_args!("{message}");
            direct.log(&Record::builder().level(level).target(TARGET).args(args).build());
        }
    }
}

/// Describes a panic in one line.
pub(super) fn described(panic: &PanicHookInfo<'_>) -> String {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    format!("Panic at {place}: {:?}", panic.payload_as_str().unwrap_or_default())
}

/// Writes a line of the log as a JSON object.
pub(super) fn write_json(to: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let line = serde_json::to_string(&Line {
        time: to.timestamp_millis().to_string(),
        level: record.level().as_str().to_ascii_lowercase(),
        message: record.args().to_string(),
        target: record.target(),
    })?;
    writeln!(to, "{}", in_one_line(&line))
}

/// Escapes what JSON does not, but some readers of lines take for an end of one.
fn in_one_line(json: &str) -> Cow<'_, str> {
    let is_hidden = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    if !json.contains(is_hidden) {
        return json.into();
    }
    let mut line = String::with_capacity(json.len());
    for character in json.chars() {
        if is_hidden(character) {
            // Writing to a string cannot fail.
            write!(line, "\\u{:04x}", u32::from(character)).ok();
        } else {
            line.push(character);
        }
    }
    line.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_stays_in_one_line_and_comes_back() {
        let text: String = ('\0'..='\u{2100}').chain("\u{feff}\u{10ffff}".chars()).collect();
        let json = serde_json::to_string(&text).unwrap();
        let line = in_one_line(&json);
        assert_eq!(line.lines().count(), 1);
        assert!(!line.contains(['\u{7f}', '\u{85}', '\u{2028}', '\u{2029}']));
        assert!(line.contains("\\u001b") && line.contains("\\u0085") && line.contains('ä'));
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
    }
}
