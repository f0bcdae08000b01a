//! A token as the file has it.

use std::sync::Arc;

use super::credential::{Digest, TokenId};
use super::rights::Rights;
use super::uses::Uses;
use crate::domain::Timestamp;

/// A token, without its secret.
#[derive(Clone, Debug)]
pub struct Token {
    /// Its name.
    pub id: TokenId,
    pub(super) digest: Digest,
    /// What people wrote about it.
    pub note: Option<String>,
    /// The moment from which it is no longer valid.
    pub expires: Option<Timestamp>,
    /// What its holder may do.
    pub rights: Rights,
    /// How often it was used. A token of the same name that replaces this one goes on counting.
    pub uses: Arc<Uses>,
}

impl Token {
    /// Whether it is no longer valid.
    #[must_use]
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| now >= expires)
    }

    /// Whether another one is the same secret of the same name, whatever its rights.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        self.id == other.id && self.digest.is(&other.digest)
    }
}
