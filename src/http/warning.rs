//! Warnings: fields that were left out of an update that was stored.

use std::fmt;

use crate::domain::{InvalidField, Omitted};

/// A field that was left out, and the reason.
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

/// Returns a warning for each field that did not fit into the limit on stored bytes.
pub(super) fn of_omitted(omitted: Omitted) -> impl Iterator<Item = Warning> {
    omitted.fields().map(|field| Warning { field, reason: Reason::NoRoom })
}
