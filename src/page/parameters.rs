//! Query strings of the links on a page.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::domain::Names;

/// The characters to encode: all except the unreserved ones of RFC 3986 and the comma of lists.
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b',');

/// Parameters and their values, in order. A name may occur more than once.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Makes parameters of pairs of a name and a value.
    pub fn new<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let owned = pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self(owned.collect())
    }

    /// Filters by this name alone; `None` if the name would be read as a pattern or a list.
    #[must_use]
    pub fn naming(parameter: &str, name: &str) -> Option<Self> {
        (Names::parse([name]) == Names::literal(name)).then(|| Self::new([(parameter, name)]))
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
    fn a_name_that_is_a_pattern_or_a_list_cannot_be_filtered_by() {
        for name in ["n*", "a,b", "{a}", "*", "$__all"] {
            assert_eq!(Parameters::naming("repo", name), None, "{name}");
        }
        assert_eq!(Parameters::naming("repo", "a b").unwrap().to_string(), "repo=a%20b");
    }

    #[test]
    fn a_changed_parameter_replaces_all_of_its_name() {
        let parameters = Parameters::new([("repo", "a"), ("stale", "true"), ("repo", "b")]);
        let changed = parameters.with(&[("repo", Some("c")), ("stale", None)]);
        assert_eq!(changed.to_string(), "repo=c");
        assert_eq!(parameters.without(&["stale"]).values("repo").collect::<Vec<_>>(), ["a", "b"]);
    }
}
