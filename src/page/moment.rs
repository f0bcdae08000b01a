//! Times as people say them: how long ago, along with the exact time.

use crate::domain::{ReportedTime, Timestamp};

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A time on a page.
pub(super) struct Moment {
    /// The time itself, as in RFC 3339.
    pub(super) datetime: String,
    /// Its distance from now, such as `5 min ago`.
    pub(super) distance: String,
    /// The same without a direction, such as `5 min`.
    pub(super) span: String,
}

impl Moment {
    /// Describes a time of the server; `None` for [`Timestamp::NEVER`].
    pub(super) fn new(at: Timestamp, now: Timestamp) -> Option<Self> {
        (at != Timestamp::NEVER).then(|| Self {
            datetime: at.to_string(),
            distance: distance(at, now),
            span: span_between(at, now),
        })
    }

    /// Describes a time of a reporter.
    pub(super) fn reported(at: ReportedTime, now: Timestamp) -> Self {
        let moment = at.to_the_millisecond();
        Self {
            datetime: at.to_string(),
            distance: distance(moment, now),
            span: span_between(moment, now),
        }
    }

    /// Returns the time to the minute, for paper.
    pub(super) fn minute(&self) -> String {
        minute(&self.datetime)
    }
}

/// Returns the minute of a time in RFC 3339 and UTC.
pub(super) fn minute(datetime: &str) -> String {
    let to_the_minute = datetime.get(.."2026-04-21T10:32".len()).unwrap_or(datetime);
    format!("{} UTC", to_the_minute.replace('T', " "))
}

/// Returns the distance of a time from now. The page's script uses the same words.
fn distance(at: Timestamp, now: Timestamp) -> String {
    let passed = now.millis().saturating_sub(at.millis());
    let span = span_between(at, now);
    if passed < 0 { format!("in {span}") } else { format!("{span} ago") }
}

/// Returns the time between two others, in the words of the page's script.
pub(super) fn span_between(a: Timestamp, b: Timestamp) -> String {
    span(b.millis().saturating_sub(a.millis()).saturating_abs())
}

fn span(millis: i64) -> String {
    if millis < MINUTE {
        format!("{} s", millis / SECOND)
    } else if millis < HOUR {
        format!("{} min", millis / MINUTE)
    } else if millis < 2 * DAY {
        format!("{} h", millis / HOUR)
    } else {
        format!("{} d", millis / DAY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_is_said_in_the_largest_unit_that_tells_something() {
        let now = Timestamp::from_millis(1_776_767_535_000);
        for (seconds, said) in [
            (0, "0 s ago"),
            (59, "59 s ago"),
            (60, "1 min ago"),
            (3599, "59 min ago"),
            (3600, "1 h ago"),
            (47 * 3600, "47 h ago"),
            (48 * 3600, "2 d ago"),
            (400 * 86_400, "400 d ago"),
            (-90, "in 1 min"),
        ] {
            let at = Timestamp::from_millis(now.millis() - seconds * 1000);
            assert_eq!(distance(at, now), said);
        }
    }

    #[test]
    fn never_is_no_moment() {
        assert!(Moment::new(Timestamp::NEVER, Timestamp::from_millis(0)).is_none());
    }
}
