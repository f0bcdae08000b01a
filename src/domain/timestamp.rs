//! Points in time: the server's, to the millisecond, and the reporters', to the nanosecond.
//!
//! Both are shown as RFC 3339 in UTC. Knows no clock.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

use super::InvalidField;

/// The seconds since 1970 of the years 1 to 9999.
const YEARS_1_TO_9999: RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// A moment by the server's clock, to the millisecond.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Later than every other moment: a deadline that never comes.
    pub const NEVER: Self = Self(i64::MAX);

    /// Makes a moment from milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Adds a span, up to [`Self::NEVER`].
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Subtracts a span.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Formats it to the second for the name of a file, such as `20260421T103215Z`: such names sort by
    /// time, and no file system refuses them.
    #[must_use]
    pub fn for_names(self) -> String {
        ReportedTime::to_the_second(self).to_string().replace(['-', ':'], "")
    }

    /// Formats it.
    #[must_use]
    pub fn rfc3339(self) -> Rfc3339 {
        let millis = u32::try_from(self.0.rem_euclid(1000)).unwrap_or(0);
        Rfc3339::new(self.0.div_euclid(1000), millis * 1_000_000, 3)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rfc3339().fmt(f)
    }
}

/// A moment by a reporter's clock, with the number of fraction digits that was sent.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ReportedTime {
    seconds: i64,
    nanos: u32,
    digits: u8,
}

impl ReportedTime {
    /// The error for a text that is not accepted.
    pub const INVALID: InvalidField = InvalidField {
        field: "last_check",
        accepted: "an RFC 3339 time with a zone, such as 2026-04-21T10:32:15Z",
    };

    /// Parses RFC 3339 with `T` and `Z` in upper case, any offset, up to 9 fraction digits, no leap
    /// second, and a year from 1 to 9999 both as sent and in UTC. Converts to UTC.
    ///
    /// # Errors
    /// [`Self::INVALID`] for everything else.
    pub fn parse(text: &str) -> Result<Self, InvalidField> {
        parse_rfc3339(text.as_bytes()).ok_or(Self::INVALID)
    }

    /// Returns a moment without its milliseconds.
    #[must_use]
    pub const fn to_the_second(moment: Timestamp) -> Self {
        Self { seconds: moment.0.div_euclid(1000), nanos: 0, digits: 0 }
    }

    /// Returns the moment without what is below a millisecond.
    #[must_use]
    pub fn to_the_millisecond(self) -> Timestamp {
        Timestamp(self.seconds * 1000 + i64::from(self.nanos / 1_000_000))
    }

    /// Returns the seconds since 1970 and the nanoseconds, which order moments.
    #[must_use]
    pub const fn instant(self) -> (i64, u32) {
        (self.seconds, self.nanos)
    }

    /// Formats it.
    #[must_use]
    pub fn rfc3339(self) -> Rfc3339 {
        Rfc3339::new(self.seconds, self.nanos, usize::from(self.digits))
    }
}

impl fmt::Display for ReportedTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rfc3339().fmt(f)
    }
}

/// A moment as RFC 3339 in UTC: `YYYY-MM-DDTHH:MM:SS[.fraction]Z`.
#[derive(Clone, Copy, Debug)]
pub struct Rfc3339 {
    bytes: [u8; Self::MOST],
    length: usize,
}

impl Rfc3339 {
    /// A sign, the date and time, a point and nine digits, the zone.
    const MOST: usize = 1 + 19 + 10 + 1;

    /// Formats a moment with a number of fraction digits.
    ///
    /// It does so digit by digit: an entry has four times, and with `{:02}` they took most of the
    /// time to render its row.
    fn new(unix_seconds: i64, nanos: u32, digits: usize) -> Self {
        let calendar =
            if unix_seconds < 0 { PrimitiveDateTime::MIN } else { PrimitiveDateTime::MAX };
        let moment =
            OffsetDateTime::from_unix_timestamp(unix_seconds).unwrap_or(calendar.assume_utc());
        let (year, month, day) = moment.to_calendar_date();
        let (hour, minute, second) = moment.to_hms();
        let sign: &[u8] = if year < 0 { b"-" } else { b"" };
        let year = year.unsigned_abs();
        let [y1, y2, y3, y4] = [year / 1000, year / 100, year / 10, year].map(digit);
        let pairs = [month.into(), day, hour, minute, second].map(u32::from);
        let pairs = pairs.map(|number| [digit(number / 10), digit(number)]);
        let [[o1, o2], [d1, d2], [h1, h2], [m1, m2], [s1, s2]] = pairs;
        let mut text = Self { bytes: [0; Self::MOST], length: 0 };
        text.push(sign);
        text.push(&[y1, y2, y3, y4, b'-', o1, o2, b'-', d1, d2, b'T']);
        text.push(&[h1, h2, b':', m1, m2, b':', s1, s2]);
        if digits > 0 {
            let places: [u32; 9] =
                [100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1000, 100, 10, 1];
            let fraction = places.map(|place| digit(nanos / place));
            text.push(b".");
            text.push(fraction.get(..digits).unwrap_or(&fraction));
        }
        text.push(b"Z");
        text
    }

    /// Returns the text, which is ASCII.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    fn push(&mut self, ascii: &[u8]) {
        let end = self.length + ascii.len();
        if let Some(place) = self.bytes.get_mut(self.length..end) {
            place.copy_from_slice(ascii);
            self.length = end;
        }
    }
}

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(self.as_bytes()).unwrap_or_default())
    }
}

/// Returns the last decimal digit of a number.
fn digit(number: u32) -> u8 {
    b'0' + u8::try_from(number % 10).unwrap_or(0)
}

fn parse_rfc3339(text: &[u8]) -> Option<ReportedTime> {
    let (date, rest) = text.split_at_checked(10)?;
    let (time, rest) = rest.split_at_checked(9)?;
    let [y1, y2, y3, y4, b'-', o1, o2, b'-', d1, d2] = *date else { return None };
    let [b'T', h1, h2, b':', m1, m2, b':', s1, s2] = *time else { return None };
    let year = i32::try_from(number(&[y1, y2, y3, y4])?).ok().filter(|&year| year >= 1)?;
    let month = Month::try_from(two_digits(o1, o2)?).ok()?;
    let date = Date::from_calendar_date(year, month, two_digits(d1, d2)?).ok()?;
    let time =
        Time::from_hms(two_digits(h1, h2)?, two_digits(m1, m2)?, two_digits(s1, s2)?).ok()?;
    let (nanos, digits, zone) = fraction(rest)?;
    let local = PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp();
    let seconds = local - offset_seconds(zone)?;
    YEARS_1_TO_9999.contains(&seconds).then_some(ReportedTime { seconds, nanos, digits })
}

/// Parses one to nine ASCII digits.
fn number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 9 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0')))
}

fn two_digits(tens: u8, ones: u8) -> Option<u8> {
    u8::try_from(number(&[tens, ones])?).ok()
}

/// Splits `[.digits]zone` into nanoseconds, the number of digits, and the zone.
fn fraction(rest: &[u8]) -> Option<(u32, u8, &[u8])> {
    let Some(fraction) = rest.strip_prefix(b".") else {
        return Some((0, 0, rest));
    };
    let length = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, zone) = fraction.split_at_checked(length)?;
    let scale = 10_u32.pow(9_u32.checked_sub(u32::try_from(length).ok()?)?);
    Some((number(digits)? * scale, u8::try_from(length).ok()?, zone))
}

/// Parses `Z`, `+hh:mm` or `-hh:mm` as seconds east of UTC.
fn offset_seconds(zone: &[u8]) -> Option<i64> {
    let (sign, rest) = match zone {
        b"Z" => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let [h1, h2, b':', m1, m2] = *rest else { return None };
    let (hours, minutes) = (number(&[h1, h2])?, number(&[m1, m2])?);
    (hours < 24 && minutes < 60).then(|| sign * i64::from(hours * 3600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_in_utc_comes_back_as_it_was_sent() {
        for text in [
            "2026-04-21T10:32:15Z",
            "2026-04-21T10:32:15.0Z",
            "2026-04-21T10:32:15.120Z",
            "2026-04-21T10:32:15.123456789Z",
            "2024-02-29T23:59:59Z",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999999999Z",
            "1969-12-31T23:59:59.5Z",
        ] {
            assert_eq!(ReportedTime::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn an_offset_is_turned_into_utc() {
        for (sent, shown) in [
            ("2026-04-21T12:32:15+02:00", "2026-04-21T10:32:15Z"),
            ("2026-04-21T00:32:15.50-23:59", "2026-04-22T00:31:15.50Z"),
            ("2026-04-21T10:32:15+00:00", "2026-04-21T10:32:15Z"),
            ("2026-04-21T10:32:15-00:00", "2026-04-21T10:32:15Z"),
        ] {
            assert_eq!(ReportedTime::parse(sent).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_not_rfc_3339_is_refused() {
        for text in [
            "",
            "now",
            "2026-04-21",
            "2026-04-21T10:32:15",
            "2026-04-21 10:32:15Z",
            "2026-04-21t10:32:15Z",
            "2026-04-21T10:32:15z",
            "2026-02-30T10:32:15Z",
            "2025-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-04-00T00:00:00Z",
            "2026-04-21T24:00:00Z",
            "2026-04-21T10:60:00Z",
            "2026-06-30T23:59:60Z",
            "0000-01-01T00:00:00Z",
            "10000-01-01T00:00:00Z",
            "-001-01-01T00:00:00Z",
            "2026-04-21T10:32:15.Z",
            "2026-04-21T10:32:15.1234567890Z",
            "2026-04-21T10:32:15+0200",
            "2026-04-21T10:32:15+24:00",
            "2026-04-21T10:32:15+02:60",
            "2026-04-21T10:32:15Z ",
            " 2026-04-21T10:32:15Z",
            "2026-4-21T10:32:15Z",
            "2026-04-21T10:32:15,5Z",
            "2026-04-21T1O:32:15Z",
            "+026-04-21T10:32:15Z",
            "0001-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "２026-04-21T10:32:15Z",
        ] {
            assert!(ReportedTime::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_server_time_is_shown_with_milliseconds() {
        assert_eq!(Timestamp::from_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::from_millis(-1).to_string(), "1969-12-31T23:59:59.999Z");
        let moment = Timestamp::from_millis(1_776_767_535_007);
        assert_eq!(moment.to_string(), "2026-04-21T10:32:15.007Z");
        assert_eq!(moment.plus(Duration::from_mins(1)).to_string(), "2026-04-21T10:33:15.007Z");
    }

    #[test]
    fn a_moment_beyond_the_calendar_is_shown_at_its_end_and_never_panics() {
        assert!(Timestamp::NEVER.to_string().starts_with("9999-12-31T"));
        assert!(Timestamp::from_millis(i64::MIN).to_string().starts_with('-'));
    }
}
