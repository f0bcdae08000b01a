//! The text of a token, `gss_<id>_<secret>`, as a client sends it.

use std::borrow::Borrow;
use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use crate::domain::Actor;

/// What every token begins with. Anything else in a request is a credential of somebody else, such
/// as a proxy.
pub const TOKEN_PREFIX: &str = "gss_";
/// The length of a secret: 256 bits in base64url without padding.
pub(super) const SECRET_LENGTH: usize = 43;
/// The most characters of an id: fewer than a secret or a digest has, so that neither can be taken for
/// an id, which people are shown.
const LONGEST_ID: usize = 40;

/// Whether a text claims to be one of our tokens.
#[must_use]
pub fn is_credential(text: &str) -> bool {
    text.starts_with(TOKEN_PREFIX)
}

/// The name of a token. It is no secret: the log, the history and the metrics show it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TokenId(Actor);

impl TokenId {
    /// What an id must be.
    pub const ACCEPTED: &str = "1 to 40 characters of a-z, A-Z, 0-9, - and .";

    /// Checks an id. The underscore separates it from the secret, so it has none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // Every id is the name of an actor.
        if is_id(text) { Actor::parse(text).ok().map(Self) } else { None }
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Returns the name that the history keeps beside what the token's holder does.
    #[must_use]
    pub fn actor(&self) -> Actor {
        self.0.clone()
    }
}

fn is_id(text: &str) -> bool {
    let is_of_id = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    (1..=LONGEST_ID).contains(&text.len()) && text.bytes().all(is_of_id)
}

/// Tokens are found by the text of an id, without a copy of it.
impl Borrow<str> for TokenId {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The SHA-256 of a token's text. A secret of 256 random bits needs neither a salt nor a slow hash.
#[derive(Clone, Copy)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The length of its text.
    const HEX_LENGTH: usize = 64;

    pub(super) fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// Reads 64 hexadecimal digits, as `sha256sum` writes them.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != Self::HEX_LENGTH || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        for (byte, start) in bytes.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(text.get(start..start + 2)?, 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// Compares in a time that tells nothing of where two digests differ.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The log must not help to find out whether a guess is right.
impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest")
    }
}

/// A token that a client has sent. The secret is not kept.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Which token it claims to be.
    pub id: TokenId,
}

impl Credential {
    /// Reads the text of a token; `None` if it has not the form of one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        TokenId::parse(id_of(text)?).map(|id| Self { id })
    }
}

/// Returns the id in the text of a token; `None` if it has not the form of one.
pub(super) fn id_of(text: &str) -> Option<&str> {
    let (id, secret) = text.strip_prefix(TOKEN_PREFIX)?.split_once('_')?;
    let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_secret = secret.len() == SECRET_LENGTH && secret.bytes().all(is_base64url);
    (is_secret && is_id(id)).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCdE";

    #[test]
    fn a_token_is_an_id_and_a_secret_of_43_characters() {
        let token = format!("gss_rsyslog-ci.2_{SECRET}");
        let credential = Credential::parse(&token).unwrap();
        assert_eq!(credential.id.as_str(), "rsyslog-ci.2");
        for refused in [
            String::new(),
            "gss_".to_owned(),
            format!("gss_{SECRET}"),
            format!("gss__{SECRET}"),
            format!("GSS_a_{SECRET}"),
            format!("gss_a_{SECRET}x"),
            format!("gss_a_{}", &SECRET[1..]),
            format!("gss_a b_{SECRET}"),
            format!("gss_ä_{SECRET}"),
            format!("gss_a_{SECRET} "),
            format!("gss_{}_{SECRET}", "a".repeat(41)),
        ] {
            assert!(Credential::parse(&refused).is_none(), "{refused}");
        }
    }

    #[test]
    fn a_digest_is_what_sha256sum_prints() {
        let digest = Digest::of("abc");
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest.to_string(), text);
        assert!(Digest::from_hex(text).unwrap().is(&digest));
        assert!(Digest::from_hex(&text.to_uppercase()).unwrap().is(&digest));
        for refused in ["", &text[1..], &text.replace('b', "g"), &"ä".repeat(32)] {
            assert!(Digest::from_hex(refused).is_none(), "{refused}");
        }
    }

    #[test]
    fn nothing_that_is_printed_has_the_secret_or_its_digest() {
        let text = format!("gss_a_{SECRET}");
        let (credential, digest) = (Credential::parse(&text).unwrap(), Digest::of(&text));
        let shown = format!("{credential:?}{digest:?}");
        assert!(!shown.contains(SECRET) && !shown.contains(&digest.to_string()));
    }
}
