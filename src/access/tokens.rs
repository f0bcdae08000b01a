//! All tokens of a file.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::access::Unauthorized;
use super::credential::{Credential, TokenId};
use super::token::Token;
use crate::domain::Timestamp;

/// The tokens of a file, by their ids.
#[derive(Clone, Debug, Default)]
pub struct Tokens(BTreeMap<TokenId, Arc<Token>>);

impl Tokens {
    /// Adds a token. Returns the earlier one of its id, if there is one.
    pub(super) fn add(&mut self, token: Token) -> Option<Arc<Token>> {
        self.0.insert(token.id.clone(), Arc::new(token))
    }

    /// Returns the tokens in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Token>> {
        self.0.values()
    }

    /// Finds the token that a client has sent.
    ///
    /// # Errors
    /// See [`Unauthorized`].
    pub fn find(&self, sent: &str, now: Timestamp) -> Result<Arc<Token>, Unauthorized> {
        let Some(Credential { id, digest }) = Credential::parse(sent) else {
            return Err(Unauthorized::Malformed);
        };
        // An unknown id takes as long as a known one: nearly all of the time goes into the digest.
        let token = self.0.get(&id).ok_or(Unauthorized::UnknownId)?;
        if !token.digest.is(&digest) {
            return Err(Unauthorized::WrongSecret(id));
        }
        if token.has_expired(now) { Err(Unauthorized::Expired(id)) } else { Ok(Arc::clone(token)) }
    }

    /// Returns the token that is the same secret of the same name as an earlier one.
    pub(super) fn successor(&self, earlier: &Token) -> Option<&Arc<Token>> {
        self.0.get(&earlier.id).filter(|token| token.is_same_as(earlier))
    }
}
