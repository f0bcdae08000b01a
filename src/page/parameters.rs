//! Query strings of the links on a page.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::domain::{LITERAL, Names, boolean};

/// The characters to encode: all except the unreserved ones of RFC 3986 and the comma of lists.
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b',');

/// The filters whose values may be lists and patterns.
const NAME_FILTERS: [&str; 4] = ["repo", "server", "file", "revision"];

/// Parameters and their values, in order. A name may occur more than once.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Makes parameters of pairs of a name and a value.
    pub fn new<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let owned = pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self(owned.collect())
    }

    /// Makes filters whose names are taken as they are, even if they look like patterns or lists.
    pub fn naming<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let filters = Self::new(pairs);
        if filters.are_plain() { filters } else { filters.with(&[(LITERAL, Some("true"))]) }
    }

    /// Returns a copy that filters by this name alone, taken as it is. `None` if other filters have
    /// patterns or lists, which would be taken as they are too.
    #[must_use]
    pub fn narrowed_to(&self, parameter: &str, name: &str) -> Option<Self> {
        let narrowed = self.with(&[(parameter, Some(name))]);
        if self.is_literal() || Names::is_plain(name) {
            return Some(narrowed);
        }
        let others = self.without(&[parameter]);
        others.are_plain().then(|| narrowed.with(&[(LITERAL, Some("true"))]))
    }

    /// Whether the values of name filters are taken as they are.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.values(LITERAL).any(|value| boolean(value) == Some(true))
    }

    /// Whether every name means the same when it is taken as it is.
    fn are_plain(&self) -> bool {
        let mut names = self.pairs().filter(|(name, _)| NAME_FILTERS.contains(name));
        names.all(|(_, value)| Names::is_plain(value))
    }

    /// Returns all pairs of a name and a value.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns every value of a parameter.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Returns a copy in which these parameters have these values; `None` removes a parameter.
    #[must_use]
    pub fn with(&self, changes: &[(&str, Option<&str>)]) -> Self {
        let is_changed = |name: &str| changes.iter().any(|(changed, _)| *changed == name);
        let kept = self.0.iter().filter(|(name, _)| !is_changed(name)).cloned();
        let added = changes
            .iter()
            .filter_map(|(name, value)| value.map(|value| ((*name).to_owned(), value.to_owned())));
        Self(kept.chain(added).collect())
    }

    /// Returns a copy without these parameters.
    #[must_use]
    pub fn without(&self, names: &[&str]) -> Self {
        let kept = self.0.iter().filter(|(name, _)| !names.contains(&name.as_str()));
        Self(kept.cloned().collect())
    }

    /// Returns a copy with only these parameters.
    #[must_use]
    pub fn with_only(&self, names: &[&str]) -> Self {
        let kept = self.0.iter().filter(|(name, _)| names.contains(&name.as_str()));
        Self(kept.cloned().collect())
    }

    /// Whether there are no parameters.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns a link to a path with these parameters.
    #[must_use]
    pub fn link(&self, path: &str) -> String {
        if self.0.is_empty() { path.to_owned() } else { format!("{path}?{self}") }
    }
}

impl fmt::Display for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (name, value)) in self.0.iter().enumerate() {
            let separator = if position > 0 { "&" } else { "" };
            let value = utf8_percent_encode(value, ENCODED);
            write!(f, "{separator}{}={value}", utf8_percent_encode(name, ENCODED))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_keeps_hostile_values_in_their_place() {
        let parameters = Parameters::new([("repo", "a&b=c#d?\"<>'\u{202e}"), ("q", "1 %+2,3")]);
        let link = parameters.link("./");
        assert_eq!(link, "./?repo=a%26b%3Dc%23d%3F%22%3C%3E%27%E2%80%AE&q=1%20%25%2B2,3");
        assert_eq!(Parameters::default().link("./"), "./");
    }

    #[test]
    fn a_name_that_looks_like_a_pattern_or_a_list_is_filtered_by_literally() {
        for name in ["n*", "a,b", "{a}", "*", "$__all"] {
            assert!(Parameters::naming([("repo", name)]).is_literal(), "{name}");
        }
        assert_eq!(Parameters::naming([("repo", "a b")]).to_string(), "repo=a%20b");
    }

    #[test]
    fn narrowing_to_a_name_changes_no_other_filter() {
        let narrowed = |name: &str, parameters: &[(&str, &str)]| {
            let parameters = Parameters::new(parameters.iter().copied());
            parameters.narrowed_to("repo", name).map(|narrowed| narrowed.to_string())
        };
        let web = "server=web-%2A&repo=a".to_owned();
        assert_eq!(narrowed("a", &[("repo", "x,y"), ("server", "web-*")]), Some(web));
        let only = "q=x&repo=a,b&literal=true".to_owned();
        assert_eq!(narrowed("a,b", &[("q", "x"), ("repo", "*b")]), Some(only));
        assert_eq!(narrowed("a,b", &[("server", "web-*")]), None);
        let already = "literal=1&server=%2A&repo=a,b".to_owned();
        assert_eq!(narrowed("a,b", &[("literal", "1"), ("server", "*")]), Some(already));
    }

    #[test]
    fn a_changed_parameter_replaces_all_of_its_name() {
        let parameters = Parameters::new([("repo", "a"), ("stale", "true"), ("repo", "b")]);
        let changed = parameters.with(&[("repo", Some("c")), ("stale", None)]);
        assert_eq!(changed.to_string(), "repo=c");
        assert_eq!(parameters.without(&["stale"]).values("repo").collect::<Vec<_>>(), ["a", "b"]);
    }
}
