//! Finds tokens in text that people are shown, such as an error that repeats what was sent.

use std::borrow::Cow;

use super::credential::{SECRET_LENGTH, TOKEN_PREFIX, TokenId};

/// What is shown in place of a token.
const HIDDEN: &str = "gss_...";

/// Returns a text in which everything that looks like a token, or like a part of one, is hidden.
#[must_use]
pub fn redacted(text: &str) -> Cow<'_, str> {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, run, after)) = next_run(rest) {
        let is_token = run.len() > TOKEN_PREFIX.len();
        shown.push_str(before);
        shown.push_str(if is_token { HIDDEN } else { run });
        rest = after;
    }
    if shown.is_empty() {
        return Cow::Borrowed(text);
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

/// Returns where a whole token begins in a text, if there is one.
pub(super) fn token_in(text: &str) -> Option<usize> {
    let mut rest = text;
    while let Some((before, run, after)) = next_run(rest) {
        let parts = run.strip_prefix(TOKEN_PREFIX).and_then(|run| run.split_once('_'));
        let is_token = parts.is_some_and(|(id, secret)| {
            TokenId::parse(id).is_some() && secret.len() >= SECRET_LENGTH
        });
        if is_token {
            return Some(text.len() - rest.len() + before.len());
        }
        rest = after;
    }
    None
}

/// Splits a text at the next characters that could be those of a token: before, they, after.
fn next_run(text: &str) -> Option<(&str, &str, &str)> {
    let (before, run) = text.split_at(text.find(TOKEN_PREFIX)?);
    let is_of_token =
        |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '_');
    let end = run.find(|character| !is_of_token(character)).unwrap_or(run.len());
    let (run, after) = run.split_at(end);
    Some((before, run, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::mint;

    #[test]
    fn a_token_and_any_part_of_one_is_hidden() {
        let token = mint(None).unwrap().text;
        for (text, shown) in [
            (token.clone(), "gss_..."),
            (format!("repo \"{token}\" and {token}x"), "repo \"gss_...\" and gss_..."),
            (token[..20].to_owned(), "gss_..."),
            ("gss_<id>_<secret>, gss_".to_owned(), "gss_<id>_<secret>, gss_"),
            ("/drift/status".to_owned(), "/drift/status"),
        ] {
            assert_eq!(redacted(&text), shown);
        }
    }

    #[test]
    fn a_whole_token_is_found_wherever_it_is() {
        let token = mint(None).unwrap().text;
        assert_eq!(token_in(&token), Some(0));
        assert_eq!(token_in(&format!("gss_a gss_a_b # ä {token}.")), Some(19));
        assert_eq!(token_in("gss_<id>_<secret> gss_ci_short"), None);
    }
}
