//! Addresses for people: that of this server, and the template of the page of a commit.
//!
//! Both are checked here. This module must not know where they are shown.

use toml::Value;
use url::Url;

use super::value::{InvalidValue, Kind, SettingValue};

/// What a template fills in.
const REPO: &str = "{repo}";
const REVISION: &str = "{revision}";

const EXTERNAL_URL: &str = "expected an http or https URL with a plain path, such as \
     https://status.example.org or https://example.org/gitops-status";
const REVISION_URL: &str = "expected an http or https URL with {revision} and perhaps {repo} \
     behind the host, such as https://git.example/{repo}/commit/{revision}";

/// Where people reach this server: a URL without a slash at its end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ExternalUrl(String);

/// The URL of the page of a commit, with `{repo}` and `{revision}` to be filled in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RevisionUrl(String);

impl ExternalUrl {
    /// Parses a URL; an empty text is none.
    ///
    /// The accepted characters need no escaping in a shell, in HTML or in a label of a metric.
    ///
    /// # Errors
    /// Other schemes; a user, a query, a fragment; other characters.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, InvalidValue> {
        if text.is_empty() {
            return Ok(None);
        }
        let is_plain = |url: &Url| {
            let plain =
                |byte| matches!(byte, b'-' | b'.' | b'_' | b'~' | b':' | b'/' | b'[' | b']');
            url.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || plain(byte))
        };
        let url = web_url(text).filter(is_plain).ok_or_else(|| InvalidValue::new(EXTERNAL_URL))?;
        Ok(Some(Self(url.as_str().trim_end_matches('/').to_owned())))
    }

    /// Returns the URL, without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl RevisionUrl {
    /// Parses a template; an empty text is none.
    ///
    /// # Errors
    /// Other schemes, a user, no `{revision}`, other braces, a host that depends on what is filled
    /// in.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, InvalidValue> {
        if text.is_empty() {
            return Ok(None);
        }
        let filled = text.replace(REPO, "x").replace(REVISION, "x");
        let is_template = text.contains(REVISION) && !filled.contains(['{', '}']);
        let fills_no_host =
            text.split(['/', '?', '#']).nth(2).is_some_and(|host| !host.contains('{'));
        if !is_template || !fills_no_host || web_url(&filled).is_none() {
            return Err(InvalidValue::new(REVISION_URL));
        }
        Ok(Some(Self(text.to_owned())))
    }

    /// Returns the template.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl SettingValue for Option<ExternalUrl> {
    const KIND: Kind = Kind::Link;

    fn to_toml(&self) -> Value {
        self.as_ref().map_or("", ExternalUrl::as_str).into()
    }
}

impl SettingValue for Option<RevisionUrl> {
    const KIND: Kind = Kind::Link;

    fn to_toml(&self) -> Value {
        self.as_ref().map_or("", RevisionUrl::as_str).into()
    }
}

/// Parses an http or https URL without a user. The parser of browsers, which this uses, also accepts
/// texts with white space, and with fewer or more slashes than two.
fn web_url(text: &str) -> Option<Url> {
    let (scheme, rest) = text.split_once("://")?;
    let is_web = ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    let is_one_word = !text.contains(|c: char| c.is_whitespace() || c.is_control());
    let names_a_host = !rest.starts_with(['/', '\\']);
    let url = (is_web && is_one_word && names_a_host).then(|| Url::parse(text).ok()).flatten()?;
    (url.username().is_empty() && url.password().is_none()).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_external_url_has_a_plain_path_and_no_slash_at_its_end() {
        for (text, url) in [
            ("https://status.example.org", "https://status.example.org"),
            ("HTTPS://Status.Example.org:443/", "https://status.example.org"),
            ("http://10.0.0.1:8080/a/b//", "http://10.0.0.1:8080/a/b"),
            ("http://[::1]:8080/a_b-c.d~e", "http://[::1]:8080/a_b-c.d~e"),
        ] {
            assert_eq!(ExternalUrl::parse(text).unwrap().unwrap().as_str(), url);
        }
        assert_eq!(ExternalUrl::parse(""), Ok(None));
        for text in [
            "status.example.org",
            "//status.example.org",
            "https:status.example.org",
            "https://",
            "https:///x",
            "ftp://example.org",
            "javascript://x",
            "https://user@example.org",
            "https://user:pw@example.org",
            "https://example.org/?x=1",
            "https://example.org/#x",
            "https://example.org/a b",
            " https://example.org",
            "https://example.org\n",
            "https://example.org/a'b",
            "https://example.org/$(x)",
            "https://example.org/\"",
        ] {
            assert!(ExternalUrl::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_template_names_the_revision_behind_the_host() {
        for text in [
            "https://git.example/{repo}/commit/{revision}",
            "http://git.example:8443/mono/-/commit/{revision}",
            "https://git.example/?p={repo};a=commit;h={revision}#{revision}",
            "https://git.example?h={revision}",
        ] {
            assert_eq!(RevisionUrl::parse(text).unwrap().unwrap().as_str(), text);
        }
        assert_eq!(RevisionUrl::parse(""), Ok(None));
        for text in [
            "https://git.example/{repo}",
            "https://git.example/{repo}/{sha}/{revision}",
            "https://git.example/{{revision}}",
            "https://git.example/{revision",
            "https://{repo}.example/{revision}",
            "https://git.example{revision}",
            "{revision}://git.example/",
            "git.example/{revision}",
            "javascript://git.example/{revision}",
            "https://user:pw@git.example/{revision}",
            "https://git.example/{repo}/ {revision}",
        ] {
            assert!(RevisionUrl::parse(text).is_err(), "{text:?}");
        }
    }
}
