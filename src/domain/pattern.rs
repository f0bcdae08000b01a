//! Patterns over names in filters: lists, `*`, and Grafana's spellings of "all".

use std::collections::BTreeSet;

/// Spellings of "all", alone or as an element of a list.
const ALL: [&str; 3] = ["*", ".*", "$__all"];

/// A filter on a name.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub enum Names {
    /// Every name passes.
    #[default]
    Any,
    /// A name passes if it is one of these or matches one of these patterns.
    OneOf {
        /// Names to match exactly.
        literals: BTreeSet<String>,
        /// Patterns with `*`.
        wildcards: Vec<Wildcard>,
    },
}

impl Names {
    /// Parses the values of a parameter, which may be repeated.
    ///
    /// A value is a list separated by commas, optionally in braces. The whole value is also tried as
    /// one name, including its commas. Empty elements are dropped. A list without elements, or with
    /// a spelling of "all", lets every name pass.
    #[must_use]
    pub fn parse<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut elements: BTreeSet<&str> = BTreeSet::new();
        for value in values {
            let list = list_elements(value);
            if !list.is_empty() {
                elements.insert(value);
            }
            elements.extend(list);
        }
        if elements.is_empty() || ALL.iter().any(|all| elements.contains(all)) {
            return Self::Any;
        }
        let (wildcards, literals): (Vec<&str>, Vec<&str>) =
            elements.into_iter().partition(|element| element.contains('*'));
        Self::OneOf {
            literals: literals.into_iter().map(str::to_owned).collect(),
            wildcards: wildcards.into_iter().map(Wildcard::new).collect(),
        }
    }

    /// Lets only one name pass; its characters have no special meaning.
    #[must_use]
    pub fn literal(name: &str) -> Self {
        Self::literals([name])
    }

    /// Lets only these names pass; their characters have no special meaning. Empty ones are dropped. If
    /// none is left, every name passes.
    #[must_use]
    pub fn literals<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let names = names.into_iter().filter(|name| !name.is_empty());
        let literals: BTreeSet<String> = names.map(str::to_owned).collect();
        if literals.is_empty() {
            return Self::Any;
        }
        Self::OneOf { literals, wildcards: Vec::new() }
    }

    /// Whether a value of a parameter names only itself: no list, no pattern, no spelling of "all".
    #[must_use]
    pub fn is_plain(value: &str) -> bool {
        Self::parse([value]) == Self::literal(value)
    }

    /// Whether a name passes.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf { literals, wildcards } => {
                literals.contains(name) || wildcards.iter().any(|wildcard| wildcard.matches(name))
            }
        }
    }

    /// Returns the cost of [`Self::matches`], in units of [`super::Effort`].
    pub(super) fn cost(&self, name: &str) -> usize {
        match self {
            Self::Any => 0,
            Self::OneOf { .. } => 1 + name.len() * self.patterns(),
        }
    }

    /// Returns how many patterns a name is compared with.
    #[must_use]
    pub fn patterns(&self) -> usize {
        match self {
            Self::Any => 0,
            Self::OneOf { literals: _, wildcards } => wildcards.len(),
        }
    }

    /// Whether every name passes.
    #[must_use]
    pub fn is_any(&self) -> bool {
        matches!(self, Self::Any)
    }

    /// Whether some names pass by a pattern.
    #[must_use]
    pub fn has_wildcards(&self) -> bool {
        self.patterns() > 0
    }

    /// Returns the only names that can pass, in byte order; `None` if others can.
    #[must_use]
    pub fn exact(&self) -> Option<Vec<&str>> {
        match self {
            Self::OneOf { literals, wildcards } if wildcards.is_empty() => {
                Some(literals.iter().map(String::as_str).collect())
            }
            Self::Any | Self::OneOf { .. } => None,
        }
    }
}

/// The parameter that turns lists and patterns off, if it is true.
pub const LITERAL: &str = "literal";

/// Reads the value of a boolean parameter.
#[must_use]
pub fn boolean(word: &str) -> Option<bool> {
    match word {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// Splits `a,b` or `{a,b}` into its elements; drops the empty ones.
#[must_use]
pub fn list_elements(value: &str) -> Vec<&str> {
    let inner = value.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(value);
    inner.split(',').filter(|element| !element.is_empty()).collect()
}

/// Whether an element of a list means every value.
#[must_use]
pub fn means_all(element: &str) -> bool {
    ALL.contains(&element)
}

/// A pattern in which each `*` stands for any characters, or none.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Wildcard {
    start: String,
    middle: Vec<String>,
    end: String,
}

impl Wildcard {
    fn new(pattern: &str) -> Self {
        let mut literals = pattern.split('*').map(str::to_owned);
        let start = literals.next().unwrap_or_default();
        let mut middle: Vec<String> = literals.collect();
        let end = middle.pop().unwrap_or_default();
        middle.retain(|literal| !literal.is_empty());
        Self { start, middle, end }
    }

    /// Whether a name has the literals in order, the first at its start and the last at its end.
    ///
    /// Taking the first occurrence of each literal never misses a match, so the time is linear in the
    /// length of the name.
    fn matches(&self, name: &str) -> bool {
        let Some(rest) = name.strip_prefix(self.start.as_str()) else { return false };
        let Some(mut rest) = rest.strip_suffix(self.end.as_str()) else { return false };
        self.middle.iter().all(|literal| match rest.split_once(literal.as_str()) {
            Some((_, after)) => {
                rest = after;
                true
            }
            None => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(values: &[&str], name: &str) -> bool {
        Names::parse(values.iter().copied()).matches(name)
    }

    #[test]
    fn a_list_is_repeated_or_split_at_commas_or_in_braces() {
        for values in [&["a", "b"][..], &["a,b"], &["{a,b}"], &["{a}", ",b,"]] {
            assert!(matches(values, "a") && matches(values, "b"), "{values:?}");
            assert!(!matches(values, "c"), "{values:?}");
        }
    }

    #[test]
    fn a_name_with_a_comma_or_braces_can_be_asked_for() {
        assert!(matches(&["a,b"], "a,b"));
        assert!(matches(&["{x}"], "{x}"));
        assert!(!matches(&["{a,b}"], "{a"), "braces count only around the whole value");
        assert!(matches(&["{a},b"], "{a}"));
    }

    #[test]
    fn an_empty_list_and_every_spelling_of_all_filter_nothing() {
        for values in [&[][..], &[""], &[","], &["{}"], &["{,}"], &["*"], &[".*"], &["$__all"]] {
            assert_eq!(Names::parse(values.iter().copied()), Names::Any, "{values:?}");
        }
        assert_eq!(Names::parse(["a,*"]), Names::Any);
        assert_eq!(Names::parse(["a", "{b,$__all}"]), Names::Any);
    }

    #[test]
    fn a_star_matches_any_run_and_all_else_is_literal() {
        assert!(matches(&["rsys*"], "rsyslog"));
        assert!(matches(&["*log"], "rsyslog"));
        assert!(matches(&["r*l*g"], "rsyslog"));
        assert!(matches(&["rsyslog*"], "rsyslog"));
        assert!(!matches(&["rsys*"], "Rsyslog"), "case counts");
        assert!(!matches(&["a*a"], "a"), "the ends may not overlap");
        assert!(!matches(&["r?yslog"], "rsyslog"));
        assert!(!matches(&["r.*g"], "rsyslog"), "a dot is a dot");
        assert!(matches(&["a***b"], "ab"));
    }

    /// The simplest possible matcher: try everything.
    fn model(pattern: &[char], name: &[char]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            (['*', rest @ ..], _) => (0..=name.len()).any(|taken| model(rest, &name[taken..])),
            ([p, pattern @ ..], [n, name @ ..]) => p == n && model(pattern, name),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn a_wildcard_matches_what_trying_every_way_matches(
            pattern in "[ab*ü]{0,8}", name in "[abü]{0,10}",
        ) {
            let (p, n): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
            let expected = model(&p, &n);
            prop_assume!(pattern.contains('*'));
            prop_assert_eq!(Wildcard::new(&pattern).matches(&name), expected);
        }
    }
}
