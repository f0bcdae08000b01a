//! Texts to search names for, in Unicode lower case: the filter `q`.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};

use aho_corasick::{AhoCorasick, AhoCorasickKind};

/// Texts in lower case, of which a name has to contain one. The search for all of them is a single
/// pass, so its cost is the length of the name, whatever the number of texts.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    folded: Vec<String>,
    automaton: Option<AhoCorasick>,
}

impl Texts {
    /// Makes a search for texts; drops the empty ones. `None` if they are too long, which takes some
    /// gigabytes.
    #[must_use]
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let texts = texts.into_iter().filter(|text| !text.is_empty());
        let folded: Vec<String> = texts.map(|text| fold(text).into_owned()).collect();
        if folded.is_empty() {
            return Some(Self::default());
        }
        // The other kinds are little faster and can take a hundred times the memory.
        let kind = AhoCorasickKind::ContiguousNFA;
        let automaton = AhoCorasick::builder().kind(Some(kind)).build(&folded).ok()?;
        Some(Self { folded, automaton: Some(automaton) })
    }

    /// Whether there are no texts, so that every name passes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.folded.is_empty()
    }

    /// Returns the number of texts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.folded.len()
    }

    /// Whether a name contains one of them.
    #[must_use]
    pub fn are_in(&self, name: &str) -> bool {
        self.automaton.as_ref().is_some_and(|automaton| automaton.is_match(fold(name).as_bytes()))
    }

    /// Returns the first part of a name that is one of the texts, spelled as in the name.
    #[must_use]
    pub fn part_of<'n>(&self, name: &'n str) -> Option<&'n str> {
        let found = self.automaton.as_ref()?.find(fold(name).as_bytes())?;
        let (mut folded, mut start) = (0, 0);
        for (place, character) in name.char_indices() {
            // A character may become several: the part begins and ends with whole ones.
            if folded <= found.start() {
                start = place;
            }
            folded += character.to_lowercase().map(char::len_utf8).sum::<usize>();
            if folded >= found.end() {
                return name.get(start..place + character.len_utf8());
            }
        }
        None
    }
}

impl PartialEq for Texts {
    fn eq(&self, other: &Self) -> bool {
        self.folded == other.folded
    }
}

impl Eq for Texts {}

impl Hash for Texts {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.folded.hash(state);
    }
}

/// Converts a text to Unicode lower case, character by character, so that the result for a part of a
/// text does not depend on the rest.
fn fold(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().flat_map(char::to_lowercase).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_part_of_a_name_is_spelled_as_in_the_name() {
        for (text, name, part) in [
            ("WEB-01", "db.Web-01.fra1", Some("Web-01")),
            ("straße", "HauptSTRAßE", Some("STRAßE")),
            ("i", "İx", Some("İ")),
            ("web", "w-e-b", None),
        ] {
            assert_eq!(Texts::parse([text]).unwrap().part_of(name), part, "{text} in {name}");
        }
    }

    proptest! {
        #[test]
        fn texts_are_found_wherever_looking_for_one_after_the_other_finds_them(
            texts in prop::collection::vec("[abÄäßİ]{0,3}", 0..5), name in "[abABÄäßİ]{0,8}",
        ) {
            let lower = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<String>();
            let mut wanted = texts.iter().filter(|text| !text.is_empty());
            let expected = wanted.any(|text| lower(&name).contains(&lower(text)));
            let searched: Vec<&str> = texts.iter().map(String::as_str).collect();
            let search = Texts::parse(searched.iter().copied()).unwrap();
            prop_assert_eq!(search.are_in(&name), expected);
            let part = search.part_of(&name);
            prop_assert_eq!(part.is_some(), expected);
            let is_one = part.is_none_or(|part| searched.iter().any(|text| lower(part).contains(&lower(text))));
            prop_assert!(is_one && part.is_none_or(|part| name.contains(part)));
        }
    }
}
