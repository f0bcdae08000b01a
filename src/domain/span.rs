//! Spans of time as people write them: `90s`, `30m`, `12h`, `7d`.

use std::time::Duration;

const DAY_SECONDS: u64 = 24 * 60 * 60;

/// The units of a span from the largest to the smallest, with their length in seconds.
pub const SPAN_UNITS: [(char, u64); 4] = [('d', DAY_SECONDS), ('h', 60 * 60), ('m', 60), ('s', 1)];

/// The longest span that is accepted: added to any time of this millennium, it cannot overflow.
pub const LONGEST_SPAN_DAYS: u64 = 3650;

/// Why a text is no span.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InvalidSpan {
    /// It is not one whole number and one unit.
    Malformed,
    /// It is longer than [`LONGEST_SPAN_DAYS`].
    TooLong,
}

/// Parses a span: one whole number and one unit, so that every span has one shortest spelling.
///
/// # Errors
/// Any other text, and spans above [`LONGEST_SPAN_DAYS`].
pub fn parse_span(text: &str) -> Result<Duration, InvalidSpan> {
    let (digits, unit_seconds) = split(text).ok_or(InvalidSpan::Malformed)?;
    // A number that overflows is too long as well.
    digits
        .parse::<u64>()
        .ok()
        .and_then(|count| count.checked_mul(unit_seconds))
        .filter(|&seconds| seconds <= LONGEST_SPAN_DAYS * DAY_SECONDS)
        .map(Duration::from_secs)
        .ok_or(InvalidSpan::TooLong)
}

/// Splits `90s` into its digits and the seconds in its unit.
fn split(text: &str) -> Option<(&str, u64)> {
    let (_, length) = SPAN_UNITS.iter().find(|(unit, _)| text.ends_with(*unit))?;
    let digits = text.get(..text.len() - 1)?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some((digits, *length))
}
