//! The one error of the domain: a value that a field does not accept.

use thiserror::Error;

/// A field that was refused, and what the field accepts.
///
/// The message starts with the field's name and may be shown to the sender.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("{field} must be {accepted}")]
pub struct InvalidField {
    /// The field's name in the API.
    pub field: &'static str,
    /// What the field accepts, as a phrase that follows "must be".
    pub accepted: &'static str,
}
