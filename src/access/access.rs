//! Decides who a caller is and what they may do.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use thiserror::Error;

use super::credential::{TokenId, is_credential};
use super::rights::{Right, Rights};
use super::token::Token;
use super::tokens::Tokens;
use super::uses::Use;
use crate::domain::{Actor, KeyRef, Timestamp};
use crate::mutex::locked;

/// Why a credential is not accepted. Clients get one answer for the last three.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum Unauthorized {
    /// There is none, and callers without one may not do this.
    #[error("there is no token")]
    Missing,
    /// It has not the form of a token.
    #[error("it has not the form of a token")]
    Malformed,
    /// No token has this id.
    #[error("no token has this id")]
    UnknownId,
    /// The secret is not that of the token of this id.
    #[error("its secret is wrong")]
    WrongSecret(TokenId),
    /// The token is no longer valid.
    #[error("it has expired")]
    Expired(TokenId),
}

impl Unauthorized {
    /// Returns the token that is meant, if there is one.
    #[must_use]
    pub fn id(&self) -> Option<&TokenId> {
        match self {
            Self::WrongSecret(id) | Self::Expired(id) => Some(id),
            Self::Missing | Self::Malformed | Self::UnknownId => None,
        }
    }
}

/// Who may do what.
#[derive(Debug)]
pub struct Access {
    /// The rights of callers without a token.
    anonymous: Arc<Rights>,
    /// The tokens in force; `None` if there is no file of tokens.
    tokens: Option<Mutex<Arc<Tokens>>>,
    /// Whether the file of tokens could not be read when it was looked at last.
    is_file_bad: AtomicBool,
}

/// A caller, and the rights they hold.
#[derive(Clone, Debug)]
pub struct Holder {
    token: Option<Arc<Token>>,
    anonymous: Arc<Rights>,
}

impl Access {
    /// Takes the rights of callers without a token, and the tokens if there is a file of them.
    #[must_use]
    pub fn new(anonymous: Rights, tokens: Option<Tokens>) -> Self {
        let tokens = tokens.map(|tokens| Mutex::new(Arc::new(tokens)));
        Self { anonymous: Arc::new(anonymous), tokens, is_file_bad: AtomicBool::new(false) }
    }

    /// Whether there is a file of tokens.
    #[must_use]
    pub fn has_tokens(&self) -> bool {
        self.tokens.is_some()
    }

    /// Returns the tokens in force.
    #[must_use]
    pub fn tokens(&self) -> Option<Arc<Tokens>> {
        self.tokens.as_ref().map(|tokens| Arc::clone(&locked(tokens)))
    }

    /// Whether the file of tokens could not be read when it was looked at last.
    #[must_use]
    pub fn is_file_bad(&self) -> bool {
        self.is_file_bad.load(Ordering::Relaxed)
    }

    /// Notes that the file of tokens cannot be read. The tokens from before stay in force.
    pub fn note_bad_file(&self) {
        self.is_file_bad.store(true, Ordering::Relaxed);
    }

    /// Puts other tokens in force, if there is a file of them. What was counted of those that stay
    /// goes on.
    pub fn replace(&self, mut new: Tokens) {
        self.is_file_bad.store(false, Ordering::Relaxed);
        if let Some(tokens) = &self.tokens {
            let mut tokens = locked(tokens);
            new.go_on_counting(&tokens);
            *tokens = Arc::new(new);
        }
    }

    /// Returns a caller without a token.
    #[must_use]
    pub fn anonymous(&self) -> Holder {
        Holder { token: None, anonymous: Arc::clone(&self.anonymous) }
    }

    /// Returns who sends these credentials. What does not begin like one of our tokens counts as
    /// absent, and so does everything while there is no file of tokens. Of several tokens the first
    /// counts.
    ///
    /// # Errors
    /// A token of ours that is not valid.
    pub fn holder(
        &self,
        credentials: impl IntoIterator<Item: AsRef<str>>,
        now: Timestamp,
    ) -> Result<Holder, Unauthorized> {
        let Some(tokens) = &self.tokens else { return Ok(self.anonymous()) };
        let mut credentials = credentials.into_iter();
        let Some(sent) = credentials.find(|sent| is_credential(sent.as_ref())) else {
            return Ok(self.anonymous());
        };
        let tokens = Arc::clone(&locked(tokens));
        Ok(Holder { token: Some(tokens.find(sent.as_ref(), now)?), ..self.anonymous() })
    }

    /// Returns the holder as they stand now.
    ///
    /// # Errors
    /// Their token is no longer valid.
    pub fn again(&self, holder: &Holder, now: Timestamp) -> Result<Holder, Unauthorized> {
        let Holder { token, anonymous } = holder;
        let Some(earlier) = token else { return Ok(holder.clone()) };
        let tokens = self.tokens().ok_or(Unauthorized::UnknownId)?;
        let token = tokens.successor(earlier).ok_or(Unauthorized::UnknownId)?;
        if token.has_expired(now) {
            return Err(Unauthorized::Expired(token.id.clone()));
        }
        Ok(Holder { token: Some(Arc::clone(token)), anonymous: Arc::clone(anonymous) })
    }

    /// Counts a request that was refused, if it names a known token.
    pub fn note_refused(&self, reason: &Unauthorized) {
        let (id, what) = match reason {
            Unauthorized::WrongSecret(id) => (id, Use::WrongSecret),
            Unauthorized::Expired(id) => (id, Use::Expired),
            Unauthorized::Missing | Unauthorized::Malformed | Unauthorized::UnknownId => return,
        };
        if let Some(tokens) = self.tokens() {
            tokens.note(id, what);
        }
    }
}

impl Holder {
    /// Returns their token.
    #[must_use]
    pub fn token(&self) -> Option<&Token> {
        self.token.as_deref()
    }

    /// Returns the name of their token.
    #[must_use]
    pub fn id(&self) -> Option<&TokenId> {
        self.token.as_ref().map(|token| &token.id)
    }

    /// Returns the name that the history keeps beside what they do.
    #[must_use]
    pub fn actor(&self) -> Option<Actor> {
        self.id().map(TokenId::actor)
    }

    /// Counts a request with their token, if they have one.
    pub fn note(&self, what: Use) {
        if let Some(token) = &self.token {
            token.uses.note(what);
        }
    }

    /// Whether they have a right, for some pair at least.
    #[must_use]
    pub fn has(&self, right: Right) -> bool {
        right == Right::SignIn && self.token.is_some() || self.rights(right).has(right)
    }

    /// Whether they have a right for a pair.
    #[must_use]
    pub fn covers(&self, right: Right, key: KeyRef<'_>) -> bool {
        self.rights(right).covers(right, key)
    }

    /// Returns the rights that decide: what everybody may read, a token's holder may read too. To
    /// write or delete, a token counts for what it says.
    fn rights(&self, right: Right) -> &Rights {
        match (&self.token, right) {
            (Some(token), Right::Write | Right::Delete | Right::Backup) => &token.rights,
            (Some(token), Right::Read | Right::Probe) if token.rights.has(right) => &token.rights,
            (Some(_) | None, _) => &self.anonymous,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Minted, Scope, mint};

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn token(id: &str, rights: Rights, expires: Option<Timestamp>) -> (String, Token) {
        let Minted { text, digest, id } = mint(Some(TokenId::parse(id).unwrap())).unwrap();
        (text, Token { id, digest, note: None, expires, rights, uses: Arc::default() })
    }

    fn rsyslog() -> Rights {
        let scope = Scope::parse("repo=rsyslog,server=web-*").unwrap();
        Rights { write: vec![scope], ..Rights::default() }
    }

    fn access(token: Token) -> Access {
        let mut tokens = Tokens::default();
        assert!(tokens.add(token).is_none());
        Access::new(Rights { read: true, ..Rights::default() }, Some(tokens))
    }

    #[test]
    fn a_token_counts_for_its_own_rights_and_for_what_everybody_may_read() {
        let (text, token) = token("ci", rsyslog(), None);
        let holder = access(token).holder([text.as_str()], NOW).unwrap();
        let key = |repo, server| KeyRef { repo, server };
        assert!(holder.covers(Right::Write, key("rsyslog", "web-1")));
        assert!(!holder.covers(Right::Write, key("rsyslog", "db-1")));
        assert!(!holder.covers(Right::Write, key("nginx", "web-1")));
        assert!(!holder.has(Right::Delete));
        assert!(holder.has(Right::Read) && holder.has(Right::Probe));
        assert_eq!(holder.actor().unwrap().as_str(), "ci");
    }

    #[test]
    fn an_invalid_token_is_refused_and_a_foreign_credential_is_ignored() {
        let (text, token) = token("ci", Rights::all(), Some(NOW));
        let other = mint(Some(TokenId::parse("ci").unwrap())).unwrap().text;
        let unknown = mint(Some(TokenId::parse("cd").unwrap())).unwrap().text;
        let access = access(token);
        let refused = |sent: &str, now| access.holder([sent], now).unwrap_err();
        let id = || TokenId::parse("ci").unwrap();
        assert!(access.holder([text.as_str()], Timestamp::from_millis(999_999)).is_ok());
        assert_eq!(refused(&text, NOW), Unauthorized::Expired(id()));
        assert_eq!(refused(&other, NOW), Unauthorized::WrongSecret(id()));
        assert_eq!(refused(&unknown, NOW), Unauthorized::UnknownId);
        assert_eq!(refused("gss_ci", NOW), Unauthorized::Malformed);
        let holder = access.holder(["eyJhbGciOi", ""], NOW).unwrap();
        assert!(holder.id().is_none() && !holder.has(Right::Write));
        assert!(access.holder(["eyJhbGciOi", other.as_str()], NOW).is_err());
    }

    #[test]
    fn without_a_file_of_tokens_every_credential_is_ignored() {
        let (text, _) = token("ci", Rights::default(), None);
        let access = Access::new(Rights::all(), None);
        let holder = access.holder([text.as_str(), "gss_x"], NOW).unwrap();
        assert!(holder.id().is_none() && holder.has(Right::Delete));
    }

    #[test]
    fn a_holder_is_looked_at_again_after_the_tokens_have_changed() {
        let (text, token) = token("ci", rsyslog(), Some(NOW));
        let before = Timestamp::from_millis(0);
        let access = access(token.clone());
        let holder = access.holder([text.as_str()], before).unwrap();
        assert!(access.again(&holder, before).is_ok());
        assert!(access.again(&holder, NOW).is_err(), "it has expired");
        let mut more = Tokens::default();
        assert!(more.add(Token { rights: Rights::all(), ..token.clone() }).is_none());
        access.replace(more);
        assert!(access.again(&holder, before).unwrap().has(Right::Delete));
        let mut others = Tokens::default();
        assert!(others.add(self::token("ci", Rights::all(), None).1).is_none());
        access.replace(others);
        assert!(access.again(&holder, before).is_err(), "it is another secret");
        access.replace(Tokens::default());
        assert!(access.again(&holder, before).is_err(), "it has gone");
        let anonymous = access.holder([""; 0], before).unwrap();
        assert!(access.again(&anonymous, before).is_ok());
    }
    #[test]
    fn a_token_that_stays_goes_on_counting_after_a_reload() {
        let (text, token) = token("ci", rsyslog(), None);
        let access = access(token.clone());
        let count = |what| access.tokens().unwrap().iter().next().unwrap().uses.count(what);
        access.holder([text.as_str()], NOW).unwrap().note(Use::Allowed);
        let other = mint(Some(TokenId::parse("ci").unwrap())).unwrap().text;
        access.note_refused(&access.holder([other], NOW).unwrap_err());
        let mut same = Tokens::default();
        assert!(same.add(Token { uses: Arc::default(), ..token }).is_none());
        access.replace(same);
        let holder = access.holder([text.as_str()], NOW).unwrap();
        holder.note(Use::Allowed);
        let counted = Use::ALL.map(count);
        assert_eq!(counted, [2, 0, 1, 0]);
    }
}
