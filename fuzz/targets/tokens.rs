//! The file of tokens.

use std::path::Path;

use gitops_status_server::access::{TokenId, Tokens};

use crate::refusal::is_one_line;

/// The length of a secret.
const SECRET: usize = 43;

/// A file that is accepted has tokens with sound ids, and no error shows what may be a secret.
pub fn tokens(input: &[u8]) {
    let Ok(content) = std::str::from_utf8(input) else { return };
    let read = Tokens::parse(Path::new("tokens.toml"), content);
    let shown = format!("{read:?}");
    match read {
        Ok(tokens) => {
            for token in tokens.iter() {
                assert_eq!(TokenId::parse(token.id.as_str()).as_ref(), Some(&token.id));
            }
            // A digest in a log would let a guess be checked. A note may have any text.
            let lower = content.to_lowercase();
            let digests = lower.split("sha256 = \"").skip(1).filter_map(|rest| rest.get(..64));
            for digest in digests.filter(|_| !lower.contains("note")) {
                assert!(!is_shown(digest, &lower, &shown.to_lowercase()), "{shown}");
            }
        }
        Err(error) => {
            let error = error.to_string();
            is_one_line(&error);
            let is_of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            for run in runs(content, is_of_token, SECRET) {
                let Some((_, token)) = run.split_once("gss_") else { continue };
                let Some((_, secret)) = token.split_once('_') else { continue };
                // A dot ends it: it divides keys.
                let secret = secret.split('.').next().unwrap_or_default();
                let is_secret = secret.len() >= SECRET;
                assert!(!is_secret || !is_shown(&secret[..8], content, &error), "{error}");
            }
        }
    }
}

/// Whether something is shown that the file has in one place, so that nothing else is meant.
fn is_shown(part: &str, content: &str, shown: &str) -> bool {
    content.matches(part).count() == 1 && shown.contains(part)
}

/// Returns the longest runs of such bytes that have at least this length.
fn runs(text: &str, is_within: impl Fn(u8) -> bool, least: usize) -> impl Iterator<Item = &str> {
    let runs = text.split(move |c: char| !u8::try_from(c).is_ok_and(&is_within));
    runs.filter(move |run| run.len() >= least)
}
