//! Durations as people write them: `90s`, `30m`, `12h`, `7d`, and `0` for "off".
//!
//! This module must not know which setting a duration belongs to.

use std::time::Duration;

use toml::Value;

use super::value::{InvalidValue, Kind, SettingValue};
use crate::domain::{InvalidSpan, LONGEST_SPAN_DAYS, SPAN_UNITS, parse_span};

impl SettingValue for Duration {
    const KIND: Kind = Kind::Duration;

    fn to_toml(&self) -> Value {
        format(*self).into()
    }
}

/// Parses a duration; `0`, with or without a unit, is [`Duration::ZERO`].
///
/// # Errors
/// Any other text, and durations above 3650 days.
pub(super) fn parse(text: &str) -> Result<Duration, InvalidValue> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    parse_span(text).map_err(|invalid| match invalid {
        InvalidSpan::Malformed => InvalidValue::new(
            "expected a whole number with a unit, s, m, h or d, such as 90s, 30m, 12h or 7d, or 0",
        ),
        InvalidSpan::TooLong => InvalidValue::new(format!("expected at most {LONGEST_SPAN_DAYS}d")),
    })
}

/// Parses a duration; 0 turns off what it limits.
///
/// # Errors
/// As [`parse`].
pub(super) fn parse_or_off(text: &str) -> Result<Option<Duration>, InvalidValue> {
    parse(text).map(|duration| (!duration.is_zero()).then_some(duration))
}

/// Parses a duration that cannot be off.
///
/// # Errors
/// Any other text, zero, and durations above 3650 days.
pub fn parse_above_zero(text: &str) -> Result<Duration, InvalidValue> {
    parse_or_off(text)?
        .ok_or_else(|| InvalidValue::new("expected more than 0, such as 10s: it cannot be off"))
}

/// Writes a duration of whole seconds in the largest unit that divides it; zero is `0`.
pub(super) fn format(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds == 0 {
        return "0".to_owned();
    }
    SPAN_UNITS.iter().find(|(_, length)| seconds.is_multiple_of(*length)).map_or_else(
        || format!("{seconds}s"),
        |(unit, length)| format!("{}{unit}", seconds / length),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_understood() {
        for (text, seconds) in [
            ("0", 0),
            ("0s", 0),
            ("0d", 0),
            ("1s", 1),
            ("90s", 90),
            ("007m", 420),
            ("30m", 1800),
            ("12h", 43_200),
            ("7d", 604_800),
            ("3650d", 315_360_000),
            ("315360000s", 315_360_000),
        ] {
            assert_eq!(parse(text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_examples() {
        for text in [
            "", "s", "90", "00", "1", "-1s", "+1s", "1.5h", "1h30m", "90 s", " 90s", "90s ", "1S",
            "1w", "1ms", "٣s", "é", "h1", "0x1s", "1_0s",
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains("90s, 30m, 12h or 7d"), "{text:?}: {message}");
        }
    }

    #[test]
    fn more_than_ten_years_is_refused() {
        for text in ["3651d", "315360001s", "99999999999999999999d", "18446744073709551615d"] {
            assert_eq!(parse(text).unwrap_err().to_string(), "expected at most 3650d", "{text}");
        }
    }

    #[test]
    fn zero_is_off_where_a_thing_can_be_off() {
        assert_eq!(parse_or_off("0").unwrap(), None);
        assert_eq!(parse_or_off("0h").unwrap(), None);
        assert_eq!(parse_or_off("1s").unwrap(), Some(Duration::from_secs(1)));
        assert!(parse_above_zero("0").is_err());
        assert_eq!(parse_above_zero("1s").unwrap(), Duration::from_secs(1));
    }

    #[test]
    fn a_duration_is_shown_in_its_largest_whole_unit() {
        for (seconds, text) in
            [(0, "0"), (1, "1s"), (60, "1m"), (90, "90s"), (7200, "2h"), (86_400, "1d")]
        {
            assert_eq!(format(Duration::from_secs(seconds)), text);
            assert_eq!(parse(text).unwrap(), Duration::from_secs(seconds));
        }
    }
}
