//! Makes new tokens.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::credential::{Digest, TOKEN_PREFIX, TokenId};

/// How many random characters a made-up id has.
const ID_LENGTH: usize = 8;

/// A new token, with its secret. Show it once.
pub struct Minted {
    /// What the client has to send.
    pub text: String,
    /// Its name.
    pub id: TokenId,
    /// What the file of tokens has to hold.
    pub digest: Digest,
}

/// The secret must not come into a log by accident.
impl fmt::Debug for Minted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Minted").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Makes a token of this id, or of a random one.
///
/// # Errors
/// The system has no random numbers.
pub fn mint(id: Option<TokenId>) -> Result<Minted, getrandom::Error> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret)?;
    let id = match id {
        Some(id) => id,
        None => random_id()?,
    };
    let text = format!("{TOKEN_PREFIX}{id}_{}", URL_SAFE_NO_PAD.encode(secret));
    let digest = Digest::of(&text);
    Ok(Minted { text, id, digest })
}

fn random_id() -> Result<TokenId, getrandom::Error> {
    let mut bytes = [0; ID_LENGTH];
    getrandom::fill(&mut bytes)?;
    let letter = |byte: u8| char::from(b'a' + byte % 26);
    let text: String = bytes.into_iter().map(letter).collect();
    // Letters always are an id.
    TokenId::parse(&text).ok_or(getrandom::Error::UNEXPECTED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Credential;

    #[test]
    fn a_new_token_is_one_that_is_accepted_and_no_two_are_alike() {
        let (one, two) = (mint(None).unwrap(), mint(None).unwrap());
        let read = Credential::parse(&one.text).unwrap();
        assert_eq!(read.id, one.id);
        assert!(one.digest.is(&Digest::of(&one.text)));
        assert!(one.text != two.text && one.id != two.id);
        assert!(!format!("{one:?}").contains(&one.text));
    }
}
