//! All tokens of a file.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::access::Unauthorized;
use super::credential::{Digest, TokenId, id_of};
use super::token::Token;
use super::uses::Use;
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
        let id = id_of(sent).ok_or(Unauthorized::Malformed)?;
        // An unknown id takes as long as a known one: nearly all of the time goes into the digest.
        let digest = Digest::of(sent);
        let token = self.0.get(id).ok_or(Unauthorized::UnknownId)?;
        if !token.digest.is(&digest) {
            return Err(Unauthorized::WrongSecret(token.id.clone()));
        }
        if token.has_expired(now) {
            return Err(Unauthorized::Expired(token.id.clone()));
        }
        Ok(Arc::clone(token))
    }

    /// Counts a request with a token, if there is one of this name.
    pub(super) fn note(&self, id: &TokenId, what: Use) {
        if let Some(token) = self.0.get(id) {
            token.uses.note(what);
        }
    }

    /// Goes on counting where the tokens of the same names have stopped.
    pub(super) fn go_on_counting(&mut self, earlier: &Self) {
        for (id, token) in &mut self.0 {
            if let Some(earlier) = earlier.0.get(id) {
                Arc::make_mut(token).uses = Arc::clone(&earlier.uses);
            }
        }
    }

    /// Returns the token that is the same secret of the same name as an earlier one.
    pub(super) fn successor(&self, earlier: &Token) -> Option<&Arc<Token>> {
        self.0.get(&earlier.id).filter(|token| token.is_same_as(earlier))
    }
}
