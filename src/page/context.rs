//! What all pages of one moment share, and why there may be no page.

use thiserror::Error;

use super::account::Account;
use super::commit_links::CommitLinks;
use crate::domain::{GivenUp, Timestamp};

/// What the pages of one moment share.
#[derive(Clone, Debug)]
pub struct PageContext {
    /// The current time, from which ages are computed.
    pub now: Timestamp,
    /// The server's own address, as `http://host:port`, for commands to copy.
    pub origin: String,
    /// Links to commits, if they have pages.
    pub commits: Option<CommitLinks>,
    /// Who reads the page.
    pub account: Account,
}

/// Why there is no page.
#[derive(Debug, Error)]
pub enum PageError {
    /// It took too much time, or its client has left.
    #[error(transparent)]
    GivenUp(#[from] GivenUp),
    /// The template failed. No such case is known: the text is written into memory.
    #[error(transparent)]
    Text(#[from] askama::Error),
}
