//! Links to the pages of commits.

use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The characters of a revision to encode: all except the unreserved ones of RFC 3986.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The same without the slash, since a repository may be in a group (`platform/nginx`).
const ENCODED_IN_PATH: &AsciiSet = &ENCODED.remove(b'/');

/// The template of the URL of a commit, such as `https://git.example/{repo}/commit/{revision}`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct CommitLinks(Arc<str>);

impl CommitLinks {
    /// Takes a template.
    #[must_use]
    pub fn new(template: &str) -> Self {
        Self(template.into())
    }

    /// Returns the link of a commit; `None` if it could lead to another place than the template
    /// says.
    pub(super) fn link(&self, repo: &str, revision: &str) -> Option<String> {
        if !(stays_in_place(repo) && stays_in_place(revision)) {
            return None;
        }
        let repo = utf8_percent_encode(repo, ENCODED_IN_PATH).to_string();
        let revision = utf8_percent_encode(revision, ENCODED).to_string();
        // Nothing is filled in twice: an encoded text has no braces.
        Some(self.0.replace("{repo}", &repo).replace("{revision}", &revision))
    }
}

/// Whether no segment of a path goes up in it or vanishes. Browsers resolve `..` in a link, and
/// servers resolve it also where its slash is encoded. <https://url.spec.whatwg.org/#double-dot-path-segment>
fn stays_in_place(path: &str) -> bool {
    path.split(['/', '\\']).all(|segment| !matches!(segment, "" | "." | ".."))
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
            ("a..b/.c", "release/1", "https://git.example/a..b/.c/commit/release%2F1"),
            // Encoded dots are encoded once more, so that a browser does not read them as dots.
            ("%2e%2E", "%2e.", "https://git.example/%252e%252E/commit/%252e."),
            ("{revision}", "x", "https://git.example/%7Brevision%7D/commit/x"),
            ("a?b#c&d", "\"'<ü>", "https://git.example/a%3Fb%23c%26d/commit/%22%27%3C%C3%BC%3E"),
        ] {
            assert_eq!(links.link(repo, revision).as_deref(), Some(link));
        }
    }

    #[test]
    fn a_name_that_would_lead_elsewhere_is_no_link() {
        let links = CommitLinks::new("https://git.example/org/{repo}/commit/{revision}");
        for name in ["..", ".", "../x", "a/../b", "a/.", "/a", "a//b", "a/", "..\\x", "a\\..", ""] {
            assert_eq!(links.link(name, "4f1c2ab"), None, "{name}");
            assert_eq!(links.link("nginx", name), None, "{name}");
        }
    }
}
