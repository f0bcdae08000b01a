//! The answers to requests.

use thiserror::Error;

use crate::domain::{Done, Refused};

/// Why a request was not done.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Refusal {
    /// Too many requests are waiting already; it had no effect.
    #[error("too many updates are waiting")]
    Busy,
    /// The domain says no; it had no effect.
    #[error("{0}")]
    Refused(Refused),
    /// It could not be stored; it may or may not take effect.
    #[error("the update could not be stored")]
    NotStored,
}

/// What came of a request.
pub type Answer = Result<Done, Refusal>;

/// What came of each request of a submission, in order.
pub type Answers = Vec<Answer>;
