//! The error of a bad setting: where the value came from and what is accepted there.
//!
//! This module must not know the settings and must not print.

use std::path::Path;

use thiserror::Error;

/// A setting or a settings file that stops the start.
///
/// The text is one line, starts with the place to correct, and never holds the value of a secret.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{place}: {reason}")]
pub struct ConfigError {
    place: String,
    reason: String,
}

impl ConfigError {
    pub(crate) fn new(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { place: place.into(), reason: reason.into() }
    }
}

/// Shows a path in one line, whatever characters it has.
pub(super) fn shown_path(path: &Path) -> String {
    let text = path.to_string_lossy();
    if is_content_of_file(&text) { HIDDEN.to_owned() } else { escaped(&text) }
}

/// What is shown in place of the content of a file.
const HIDDEN: &str = "...";

/// Whether a text is what a file holds and not a setting's value: perhaps a private key.
pub(super) fn is_content_of_file(text: &str) -> bool {
    text.trim_end().contains(['\n', '\r']) || text.contains("-----BEGIN")
}

/// Shows a value in quotes and in one line, truncated to 80 characters. The content of a file is not
/// shown.
pub(crate) fn shown_value(text: &str) -> String {
    const MOST_CHARACTERS: usize = 80;
    if is_content_of_file(text) {
        return format!("\"{HIDDEN}\"");
    }
    let mut characters = text.chars();
    let start: String = characters.by_ref().take(MOST_CHARACTERS).collect();
    let cut = if characters.next().is_some() { "..." } else { "" };
    format!("\"{}{cut}\"", escaped(&start))
}

/// Escapes control characters only, so that names in other scripts stay readable.
fn escaped(text: &str) -> String {
    text.chars()
        .flat_map(|character| {
            let escape = character.is_control().then(|| character.escape_default());
            let plain = escape.is_none().then_some(character);
            escape.into_iter().flatten().chain(plain)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_shown_in_one_line_of_bounded_length() {
        assert_eq!(shown_value("2 hours"), "\"2 hours\"");
        assert_eq!(shown_value("ä\u{1b}[1m\n"), "\"ä\\u{1b}[1m\\n\"");
        assert_eq!(shown_value(&"x".repeat(80)), format!("\"{}\"", "x".repeat(80)));
        assert_eq!(shown_value(&"x".repeat(81)), format!("\"{}...\"", "x".repeat(80)));
        assert_eq!(shown_path(Path::new("a\tb.toml")), "a\\tb.toml");
    }

    #[test]
    fn the_content_of_a_file_is_not_shown() {
        for text in ["-----BEGIN PRIVATE KEY----- MC4C", "MC4C\nAQAw", "MC4C\rAQAw"] {
            assert_eq!(shown_value(text), "\"...\"");
            assert_eq!(shown_path(Path::new(text)), "...");
        }
    }
}
