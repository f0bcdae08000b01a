//! Names of repositories, servers and files, revisions and URLs, and what each of them accepts.
//!
//! The types are checked once, on parsing. An accepted text is kept exactly as it was sent, without
//! trimming or a change of case. A copy of most types shares the text; file names are shared as a list.

use std::fmt;
use std::sync::Arc;

use super::InvalidField;

/// The maximum length of a file's name, in characters.
pub const MAX_FILE_NAME: usize = 4096;
/// The maximum length of the name of a repository or server, and of a revision, in characters.
const MAX_NAME: usize = 255;
/// The maximum length of a URL, in characters.
const MAX_URL: usize = 2048;

/// Defines a checked text: its storage, the name of its field, what it accepts, and the check.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident($storage:ty), $field:literal, $accepted:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name($storage);

        impl $name {
            /// The error for a text that is not accepted.
            pub const INVALID: InvalidField = InvalidField { field: $field, accepted: $accepted };

            /// Checks a text.
            ///
            /// # Errors
            /// [`Self::INVALID`] if the text is not accepted.
            pub fn parse(text: &str) -> Result<Self, InvalidField> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(text.into())) } else { Err(Self::INVALID) }
            }

            /// Returns the text as it was sent.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

checked_text!(
    /// The name of a configuration repository; shared, since many entries have the same one.
    RepoName(Arc<str>),
    "repo",
    "a string of 1 to 255 characters without control characters or white space at either end",
    is_name
);

checked_text!(
    /// The name of a server to which a repository is deployed.
    ServerName(Arc<str>),
    "server",
    "a string of 1 to 255 characters without control characters or white space at either end",
    is_name
);

checked_text!(
    /// The name of a client that asks for changes.
    Actor(Arc<str>),
    "by",
    "a string of 1 to 255 characters without control characters or white space at either end",
    is_name
);

checked_text!(
    /// The name of a file that differs between the repository and the server.
    FileName(Box<str>),
    "name",
    "a string of 1 to 4096 characters without control characters",
    |text| has_length(text, MAX_FILE_NAME) && has_no_control(text)
);

checked_text!(
    /// The commit of the repository that was checked.
    GitRevision(Arc<str>),
    "revision",
    "a string of 1 to 255 characters without control characters",
    |text| has_length(text, MAX_NAME) && has_no_control(text)
);

checked_text!(
    /// The URL of the run that made the check.
    RunUrl(Arc<str>),
    "url",
    "an http or https URL of at most 2048 characters without control characters or white space",
    is_web_url
);

fn is_name(text: &str) -> bool {
    has_length(text, MAX_NAME) && has_no_control(text) && text.trim() == text
}

/// Whether a text has 1 to `most` characters (Unicode scalar values).
fn has_length(text: &str, most: usize) -> bool {
    // A character takes at least one byte, so there is no need to count those of a short text.
    !text.is_empty() && (text.len() <= most || text.chars().count() <= most)
}

fn has_no_control(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

fn is_web_url(text: &str) -> bool {
    let scheme_end = text.find("://").unwrap_or(0);
    let (scheme, rest) = text.split_at(scheme_end);
    let host_end = rest.get(3..).and_then(|host| host.find(['/', '?', '#']));
    let host = match host_end {
        Some(end) => rest.get(3..3 + end),
        None => rest.get(3..),
    };
    (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"))
        && host.is_some_and(|host| !host.is_empty())
        && has_length(text, MAX_URL)
        && has_no_control(text)
        && !text.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_1_to_255_characters_not_bytes() {
        assert!(RepoName::parse("").is_err());
        assert!(RepoName::parse("r").is_ok());
        assert!(RepoName::parse(&"ü".repeat(255)).is_ok());
        assert!(RepoName::parse(&"ü".repeat(256)).is_err());
    }

    #[test]
    fn a_name_has_no_control_characters_and_no_white_space_at_either_end() {
        for refused in [" a", "a ", "a\u{3000}", "\u{a0}a", "a\nb", "a\u{0}", "\u{7f}", "a\u{85}b"]
        {
            assert!(ServerName::parse(refused).is_err(), "{refused:?}");
        }
        for kept in ["a b", "a:b", "Ä", "A\u{308}", "<script>", "\u{202e}evil", "a,b", "*"] {
            assert_eq!(ServerName::parse(kept).unwrap().as_str(), kept);
        }
    }

    #[test]
    fn a_file_name_may_have_outer_blanks_and_4096_characters() {
        assert!(FileName::parse(" a ").is_ok());
        assert!(FileName::parse(&"x".repeat(MAX_FILE_NAME)).is_ok());
        assert!(FileName::parse(&"x".repeat(MAX_FILE_NAME + 1)).is_err());
        assert!(FileName::parse("a\tb").is_err());
    }

    #[test]
    fn the_error_for_the_name_of_a_file_has_the_limit_that_holds() {
        let accepted = FileName::INVALID.accepted;
        assert!(accepted.contains(&format!(" 1 to {MAX_FILE_NAME} characters")));
    }

    #[test]
    fn a_url_is_http_or_https_with_a_host_and_without_white_space() {
        for kept in ["http://ci/1", "HTTPS://ci.example:8443/run?id=1#log", "https://[::1]/x"] {
            assert_eq!(RunUrl::parse(kept).unwrap().as_str(), kept);
        }
        for refused in
            ["", "ci/1", "ftp://ci", "javascript:alert(1)", "http://", "http:///x", "http://a b"]
        {
            assert!(RunUrl::parse(refused).is_err(), "{refused:?}");
        }
        assert!(RunUrl::parse(&format!("http://{}", "x".repeat(2041))).is_ok());
        assert!(RunUrl::parse(&format!("http://{}", "x".repeat(2042))).is_err());
    }
}
