//! Durations as people write them: `90s`, `30m`, `12h`, `7d`, and `0` for "off".
//!
//! One whole number and one unit, so that every duration has one shortest spelling.
//! This module must not know which setting a duration belongs to.

use std::time::Duration;

use toml::Value;

use super::value::{InvalidValue, Kind, SettingValue};

const DAY_SECONDS: u64 = 24 * 60 * 60;

/// Units from the largest to the smallest, with their length in seconds.
const UNITS: [(char, u64); 4] = [('d', DAY_SECONDS), ('h', 60 * 60), ('m', 60), ('s', 1)];

/// The longest duration that is accepted: added to any time of this millennium, it cannot overflow.
const LONGEST_DAYS: u64 = 3650;

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
    let Some((digits, unit_seconds)) = split(text) else {
        return Err(InvalidValue::new(
            "expected a whole number with a unit, s, m, h or d, such as 90s, 30m, 12h or 7d, or 0",
        ));
    };
    // A number that overflows is too long as well.
    digits
        .parse::<u64>()
        .ok()
        .and_then(|count| count.checked_mul(unit_seconds))
        .filter(|&seconds| seconds <= LONGEST_DAYS * DAY_SECONDS)
        .map(Duration::from_secs)
        .ok_or_else(|| InvalidValue::new(format!("expected at most {LONGEST_DAYS}d")))
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
    UNITS.iter().find(|(_, length)| seconds.is_multiple_of(*length)).map_or_else(
        || format!("{seconds}s"),
        |(unit, length)| format!("{}{unit}", seconds / length),
    )
}

/// Splits `90s` into its digits and the seconds in its unit.
fn split(text: &str) -> Option<(&str, u64)> {
    let (_, length) = UNITS.iter().find(|(unit, _)| text.ends_with(*unit))?;
    let digits = text.get(..text.len() - 1)?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some((digits, *length))
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
