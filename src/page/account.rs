//! What pages say of the token of their reader.

use super::parameters::Parameters;

/// The path that makes a browser ask for a token.
const SIGN_IN: &str = "login";

/// Who reads a page, as far as tokens tell.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Account {
    /// Nobody signs in, since the server has no tokens.
    None,
    /// Somebody without a token.
    SignedOut {
        /// The link by which they sign in.
        sign_in: String,
    },
    /// The holder of a token.
    SignedIn {
        /// The name of the token.
        id: String,
        /// The link by which they sign in with another one.
        change: String,
    },
}

impl Account {
    /// Returns the account of somebody without a token, who reads the page at this address.
    #[must_use]
    pub fn signed_out(page: &str) -> Self {
        Self::SignedOut { sign_in: Parameters::new([("to", page)]).link(SIGN_IN) }
    }

    /// Returns the account of the holder of a token, who reads the page at this address.
    #[must_use]
    pub fn signed_in(id: &str, page: &str) -> Self {
        let change = Parameters::new([("to", page), ("not", id)]).link(SIGN_IN);
        Self::SignedIn { id: id.to_owned(), change }
    }

    /// Returns the link by which the reader signs in, with another token than the present one.
    pub(super) fn link(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::SignedOut { sign_in: link } | Self::SignedIn { id: _, change: link } => {
                Some(link)
            }
        }
    }

    /// Returns the name of the reader's token.
    pub(super) fn id(&self) -> Option<&str> {
        match self {
            Self::None | Self::SignedOut { .. } => None,
            Self::SignedIn { id, .. } => Some(id),
        }
    }

    /// Whether requests can have tokens.
    pub(super) fn has_tokens(&self) -> bool {
        *self != Self::None
    }
}
