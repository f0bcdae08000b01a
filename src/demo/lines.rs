//! The fleet's life as lines of JSON.

use std::io::{self, Write};
use std::time::Duration;

use super::fleet::{BIRTH, Fleet};
use super::json;
use super::pace::{MINUTE, Pace};

/// Writes what happens in a span of the fleet's time from its birth on.
///
/// # Errors
/// Any error of the output.
pub fn write_lines(
    fleet: &Fleet,
    pace: &Pace,
    span: Duration,
    output: &mut impl Write,
) -> io::Result<()> {
    let end = BIRTH + i64::try_from(span.as_millis()).unwrap_or(i64::MAX - MINUTE);
    let mut from = BIRTH;
    while from < end {
        let until = end.min(from + MINUTE);
        for act in fleet.acts(from, until, pace) {
            writeln!(output, "{}", json::line(&act)?)?;
        }
        from = until;
    }
    output.flush()
}
