//! Who may do what: tokens, the rights that they give, and the rights of callers without one.
//!
//! This module must not know HTTP: it neither finds a credential in a request nor words an answer.

#[expect(clippy::module_inception, reason = "it has the type of that name")]
mod access;
mod credential;
mod mint;
mod redacted;
mod rights;
mod token;
mod tokens;
mod tokens_file;
mod uses;

pub use access::{Access, Holder, Unauthorized};
pub use credential::{Credential, Digest, TOKEN_PREFIX, TokenId, is_credential};
pub use mint::{Minted, mint};
pub use redacted::redacted;
pub use rights::{Right, Rights, Scope};
pub use token::Token;
pub use tokens::Tokens;
pub use tokens_file::{TokensFile, moment};
pub use uses::{Use, Uses};
