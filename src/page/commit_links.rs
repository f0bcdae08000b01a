//! Links to the pages of commits.

use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The characters to encode: all except the unreserved ones of RFC 3986 and the slash, since a
/// repository may be in a group (`platform/nginx`).
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// The template of the URL of a commit, such as `https://git.example/{repo}/commit/{revision}`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct CommitLinks(Arc<str>);

impl CommitLinks {
    /// Takes a template.
    #[must_use]
    pub fn new(template: &str) -> Self {
        Self(template.into())
    }

    pub(super) fn link(&self, repo: &str, revision: &str) -> String {
        let encoded = |text| utf8_percent_encode(text, ENCODED).to_string();
        // Nothing is filled in twice: an encoded text has no braces.
        self.0.replace("{repo}", &encoded(repo)).replace("{revision}", &encoded(revision))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_and_keep_their_slashes() {
        let links = CommitLinks::new("https://git.example/{repo}/commit/{revision}");
        for (repo, revision, link) in [
            ("nginx", "4f1c2ab", "https://git.example/nginx/commit/4f1c2ab"),
            ("web/nginx", "v1.2", "https://git.example/web/nginx/commit/v1.2"),
            ("{revision}", "x", "https://git.example/%7Brevision%7D/commit/x"),
            ("a?b#c&d", "\"'<ü>", "https://git.example/a%3Fb%23c%26d/commit/%22%27%3C%C3%BC%3E"),
        ] {
            assert_eq!(links.link(repo, revision), link);
        }
    }
}
