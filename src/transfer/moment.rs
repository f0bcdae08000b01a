//! Moments of the server's clock in an export.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::domain::{ReportedTime, Timestamp};

/// A moment as the API writes it. One that a wrong clock has put outside the years 1 to 9999, which
/// have no such text, is a number of milliseconds since 1970.
#[derive(Clone, Copy)]
pub(super) struct Moment(pub(super) Timestamp);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.0.to_string();
        if parsed(&text) == Some(self.0) {
            serializer.serialize_str(&text)
        } else {
            serializer.serialize_i64(self.0.millis())
        }
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MomentVisitor)
    }
}

struct MomentVisitor;

impl Visitor<'_> for MomentVisitor {
    type Value = Moment;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an RFC 3339 time, such as 2026-04-21T10:32:15.120Z")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Moment, E> {
        parsed(text)
            .map(Moment)
            .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }

    fn visit_i64<E: Error>(self, millis: i64) -> Result<Moment, E> {
        Ok(Moment(Timestamp::from_millis(millis)))
    }

    fn visit_u64<E: Error>(self, millis: u64) -> Result<Moment, E> {
        let millis = i64::try_from(millis).map_err(E::custom)?;
        self.visit_i64(millis)
    }
}

fn parsed(text: &str) -> Option<Timestamp> {
    ReportedTime::parse(text).ok().map(ReportedTime::to_the_millisecond)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_moment_comes_back_as_it_was() {
        for millis in [0, -1, 1_776_767_535_007, -62_135_596_800_001, i64::MIN, i64::MAX] {
            let text = serde_json::to_string(&Moment(Timestamp::from_millis(millis))).unwrap();
            let Moment(read) = serde_json::from_str(&text).unwrap();
            assert_eq!(read.millis(), millis, "{text}");
        }
    }
}
