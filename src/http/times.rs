//! Points in time in query strings: `from` and `to`, in every spelling.

use super::error::ApiError;
use super::query::{QueryString, must_be};
use crate::domain::{ReportedTime, TimeRange, Timestamp, parse_span};

/// What a point in time must be.
const ACCEPTED: &str = "a time such as 2026-04-21T10:32:15Z, a date such as 2026-04-21 (midnight in \
                        UTC), now, now-24h or now-7d (units s, m, h and d), or a number of seconds or \
                        milliseconds since 1970";

impl QueryString<'_> {
    /// Reads `from` and `to`.
    ///
    /// # Errors
    /// 400 with the parameter's name and the accepted spellings.
    pub(super) fn times(
        &self,
        now: Timestamp,
    ) -> Result<(Option<Timestamp>, Option<Timestamp>), ApiError> {
        let read = |name| {
            let text = self.single(name)?;
            text.map(|text| timestamp(text, now).ok_or_else(|| must_be(name, ACCEPTED))).transpose()
        };
        Ok((read("from")?, read("to")?))
    }
}

/// Returns a range of time.
///
/// # Errors
/// 400 if it ends before it begins.
pub(super) fn range(from: Timestamp, to: Timestamp) -> Result<TimeRange, ApiError> {
    if from > to {
        return Err(must_be("from", "no later than to"));
    }
    Ok(TimeRange { from, to })
}

fn timestamp(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Some(ago) = text.strip_prefix("now") {
        return relative(ago, now);
    }
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return since_1970(text.parse().ok()?);
    }
    let midnight = |text: &str| ReportedTime::parse(&format!("{text}T00:00:00Z"));
    let time = ReportedTime::parse(text).or_else(|_| midnight(text)).ok()?;
    let (seconds, nanos) = time.instant();
    // Rounded up, because stored times are whole milliseconds.
    Some(Timestamp::from_millis(seconds * 1000 + i64::from(nanos.div_ceil(1_000_000))))
}

/// Reads what follows `now`: nothing, or `-` and a span.
fn relative(ago: &str, now: Timestamp) -> Option<Timestamp> {
    if ago.is_empty() {
        return Some(now);
    }
    let span = parse_span(ago.strip_prefix('-')?).ok()?;
    Some(now.minus(span))
}

/// Reads seconds or milliseconds since 1970. The two overlap nowhere: seconds reach to the year 5138,
/// milliseconds begin in 1973.
fn since_1970(number: i64) -> Option<Timestamp> {
    const FIRST_MILLIS: i64 = 100_000_000_000;
    const END_OF_9999: i64 = 253_402_300_800_000;
    let millis = if number < FIRST_MILLIS { number * 1000 } else { number };
    (millis < END_OF_9999).then_some(Timestamp::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_776_767_535_007);

    #[test]
    fn every_spelling_of_a_time_is_understood() {
        for (text, shown) in [
            ("now", "2026-04-21T10:32:15.007Z"),
            ("now-90s", "2026-04-21T10:30:45.007Z"),
            ("now-1m", "2026-04-21T10:31:15.007Z"),
            ("now-24h", "2026-04-20T10:32:15.007Z"),
            ("now-7d", "2026-04-14T10:32:15.007Z"),
            ("now-0d", "2026-04-21T10:32:15.007Z"),
            ("2025-10-25", "2025-10-25T00:00:00.000Z"),
            ("2026-04-21T12:32:15+02:00", "2026-04-21T10:32:15.000Z"),
            ("2026-04-21T10:32:15.0001Z", "2026-04-21T10:32:15.001Z"),
            ("0", "1970-01-01T00:00:00.000Z"),
            ("1776767535", "2026-04-21T10:32:15.000Z"),
            ("1776767535007", "2026-04-21T10:32:15.007Z"),
        ] {
            assert_eq!(timestamp(text, NOW).unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "Now",
            "now ",
            "now-",
            "now-h",
            "now-24",
            "now+1h",
            "now-+1h",
            "now--1h",
            "now-1.5h",
            "now-1w",
            "now-1H",
            "now-1h30m",
            "now-3651d",
            "now-99999999999999999999d",
            "now-1\u{20ac}",
            "now/d",
            "yesterday",
            "2026-02-30",
            "2026-4-21",
            "2026-04",
            "2026-04-21T",
            "-1",
            "1.5",
            "253402300800000",
            "99999999999999999999",
        ] {
            assert_eq!(timestamp(text, NOW), None, "{text:?}");
        }
    }
}
