//! The one error of the domain: a value that a field does not accept.

use thiserror::Error;

/// Says which field was refused and what it accepts.
///
/// The text starts with the field's name and is fit to be shown to whoever sent the value.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("{field} must be {accepted}")]
pub struct InvalidField {
    /// The field's name as senders spell it.
    pub field: &'static str,
    /// What the field accepts, as a phrase that follows "must be".
    pub accepted: &'static str,
}
