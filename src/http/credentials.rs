//! Finds what may be a token in the headers of a request. This module must not know which tokens there
//! are.

use std::borrow::Cow;

use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::access::{TOKEN_PREFIX, is_credential};

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Some clients leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Returns each token, from the places for one: `Authorization: Bearer`, the password of
/// `Authorization: Basic`, and `X-Api-Key`. If these headers hold one elsewhere, such as behind a quote,
/// it counts as one that is not valid, so that its sender is not taken for somebody without a token.
pub(super) fn credentials(headers: &HeaderMap) -> impl Iterator<Item = Cow<'_, str>> {
    let authorizations = headers.get_all(AUTHORIZATION);
    let sent = authorizations.filter_map(|value| authorization(value.as_bytes()));
    let keys = headers.get_all(API_KEY);
    sent.chain(keys.filter_map(|value| placed(value.as_bytes())))
}

fn authorization(value: &[u8]) -> Option<Cow<'_, str>> {
    let end = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
    let (scheme, rest) = value.split_at(end);
    if scheme.eq_ignore_ascii_case(b"bearer") {
        placed(rest)
    } else if scheme.eq_ignore_ascii_case(b"basic") {
        match BASE64.decode(rest.trim_ascii()) {
            Ok(pair) => password(&pair).map(|it| Cow::Owned(it.into_owned())),
            Err(_) => misplaced(value),
        }
    } else {
        misplaced(value)
    }
}

/// Returns a token that is the password of Basic authentication. The name of the user may be anything
/// else, in any encoding.
fn password(pair: &[u8]) -> Option<Cow<'_, str>> {
    let colon = pair.iter().position(|byte| *byte == b':');
    let password = colon.and_then(|colon| pair.get(colon + 1..)).unwrap_or_default();
    text(password).or_else(|| misplaced(pair))
}

/// Returns the token in a place for one.
fn placed(value: &[u8]) -> Option<Cow<'_, str>> {
    text(value.trim_ascii()).or_else(|| misplaced(value))
}

/// Returns a text that begins like a token.
fn text(value: &[u8]) -> Option<Cow<'_, str>> {
    Some(String::from_utf8_lossy(value)).filter(|text| is_credential(text))
}

/// Returns the beginning of a token, which is none itself, if something in a value begins like one. The middle of a longer credential may look like one
/// by chance.
fn misplaced(value: &[u8]) -> Option<Cow<'static, str>> {
    let is_inside = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    let mut words = value.split(|byte| !is_inside(byte));
    words
        .any(|word| word.starts_with(TOKEN_PREFIX.as_bytes()))
        .then_some(Cow::Borrowed(TOKEN_PREFIX))
}
