//! Warnings: fields of an update that were left out or do not hold as sent, although the update was
//! stored.

use std::fmt;
use std::time::Duration;

use crate::domain::{InvalidField, Omitted, Shortened};

/// A field, and what is wrong with it.
#[derive(Debug)]
pub(super) struct Warning {
    pub(super) field: &'static str,
    reason: Reason,
}

#[derive(Debug)]
enum Reason {
    NoRoom,
    MustBe(&'static str),
    NotAbove(Shortened),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.field)?;
        match self.reason {
            Reason::NoRoom => f.write_str(
                "not stored, since max_stored_bytes is reached; the status and the count are",
            ),
            Reason::MustBe(accepted) => write!(f, "not stored, since it must be {accepted}"),
            Reason::NotAbove(Shortened { from, to }) => {
                let from = from.map_or("never".to_owned(), seconds);
                let to = seconds(to);
                write!(
                    f,
                    "not above stale_after ({from}), so the entry is stale after {to}, half of ttl_seconds"
                )
            }
        }
    }
}

fn seconds(span: Duration) -> String {
    format!("{} s", span.as_secs_f64())
}

impl From<InvalidField> for Warning {
    fn from(InvalidField { field, accepted }: InvalidField) -> Self {
        Self { field, reason: Reason::MustBe(accepted) }
    }
}

/// Returns a warning for each field that did not fit into the limit on stored bytes.
pub(super) fn of_omitted(omitted: Omitted) -> impl Iterator<Item = Warning> {
    omitted.fields().map(|field| Warning { field, reason: Reason::NoRoom })
}

/// Returns a warning if an entry is stale earlier than it should be, since it would expire first.
pub(super) fn of_lifetime(shortened: Option<Shortened>) -> Option<Warning> {
    shortened.map(|span| Warning { field: "ttl_seconds", reason: Reason::NotAbove(span) })
}
