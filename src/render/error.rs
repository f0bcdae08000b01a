//! Why an answer could not be rendered.

use thiserror::Error;

use crate::domain::GivenUp;

/// Why there is no answer. Only [`RenderError::GivenUp`] is expected. The others cannot happen for
/// entries that were checked; as errors, unlike panics, they would cost one answer only.
#[derive(Debug, Error)]
pub enum RenderError {
    /// JSON could not be written.
    #[error("JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A page could not be written.
    #[error("text: {0}")]
    Text(#[from] std::fmt::Error),
    /// Writing to memory, or compression, failed.
    #[error("writing: {0}")]
    Writing(#[from] std::io::Error),
    /// A segment's rows are too large for offsets of 32 bits.
    #[error("a segment of 4 GiB")]
    TooLarge(#[from] std::num::TryFromIntError),
    /// The work took too long, or the client has left.
    #[error(transparent)]
    GivenUp(#[from] GivenUp),
}
