//! Warnings: what was not stored of an update that was.

use std::fmt;

use crate::domain::Omitted;

/// A field that was left out of an update, and why.
#[derive(Debug)]
pub(super) struct Warning {
    pub(super) field: &'static str,
    reason: &'static str,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.reason)
    }
}

/// Returns the warnings of an update for parts of which there was no room.
pub(super) fn of_omitted(omitted: Omitted) -> impl Iterator<Item = Warning> {
    let reason = "not stored, since max_stored_bytes is reached; the status and the count are";
    omitted.fields().map(move |field| Warning { field, reason })
}
