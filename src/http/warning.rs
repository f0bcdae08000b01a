//! Warnings: what was not stored of an update that was, counted by field.

use std::fmt;

use crate::domain::{InvalidField, Omitted};

/// A field that was left out of an update, and why.
#[derive(Debug)]
pub(super) struct Warning {
    pub(super) field: &'static str,
    reason: Reason,
}

#[derive(Debug)]
enum Reason {
    NoRoom,
    MustBe(&'static str),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: not stored, ", self.field)?;
        match self.reason {
            Reason::NoRoom => {
                f.write_str("since max_stored_bytes is reached; the status and the count are")
            }
            Reason::MustBe(accepted) => write!(f, "since it must be {accepted}"),
        }
    }
}

impl From<InvalidField> for Warning {
    fn from(InvalidField { field, accepted }: InvalidField) -> Self {
        Self { field, reason: Reason::MustBe(accepted) }
    }
}

/// Returns the warnings of an update for parts of which there was no room.
pub(super) fn of_omitted(omitted: Omitted) -> impl Iterator<Item = Warning> {
    omitted.fields().map(|field| Warning { field, reason: Reason::NoRoom })
}
