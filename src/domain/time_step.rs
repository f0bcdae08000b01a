//! The steps by which a timeline cuts time.

use std::fmt;
use std::time::Duration;

use super::{TimeRange, Timestamp};

/// A span by which time is cut, at multiples of the span since 1970.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TimeStep(Duration);

impl TimeStep {
    /// Returns every step, the finest first. The last one spans all of time.
    pub(super) fn ladder() -> impl Iterator<Item = Self> {
        let minutes = [1, 5, 15, 30, 60, 180, 360, 720].map(Duration::from_mins);
        let day = Duration::from_hours(24);
        let days = [1, 2, 7, 14].into_iter().map(move |days| day * days);
        let months = (0..18).map(move |power| day * 30 * (1 << power));
        minutes.into_iter().chain(days).chain(months).map(Self)
    }

    /// Returns the moments at which steps start in a range; the first is the start of the range.
    pub fn starts(self, range: TimeRange) -> impl Iterator<Item = Timestamp> {
        let TimeRange { from, to } = range;
        let next = move |start: &Timestamp| Some(self.end(*start));
        std::iter::successors(Some(from), next).take_while(move |start| *start < to)
    }

    /// Returns the end of the step that a moment is in.
    pub(super) fn end(self, moment: Timestamp) -> Timestamp {
        self.start(moment).plus(self.0)
    }

    /// Returns the start of the step that a moment is in.
    pub(super) fn start(self, moment: Timestamp) -> Timestamp {
        let length = i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(moment.millis().saturating_sub(moment.millis().rem_euclid(length)))
    }
}

impl fmt::Display for TimeStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() / 60 {
            minutes if minutes.is_multiple_of(24 * 60) => write!(f, "{}d", minutes / (24 * 60)),
            minutes if minutes.is_multiple_of(60) => write!(f, "{}h", minutes / 60),
            minutes => write!(f, "{minutes}m"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_written_like_any_duration() {
        let steps: Vec<String> = TimeStep::ladder().map(|step| step.to_string()).collect();
        let expected = ["1m", "5m", "15m", "30m", "1h", "3h", "6h", "12h", "1d", "2d", "7d", "14d"];
        assert_eq!(steps[..12], expected);
        assert_eq!(steps[12..14], ["30d", "60d"]);
    }
}
