//! Makes characters visible that only change the direction of text: with them, a name could be shown
//! in another order than it has. <https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters>

use std::fmt;

use askama::filters::{Escaper, Html, HtmlSafe};

/// Whether a character changes the direction of text and cannot be seen.
fn is_control(character: char) -> bool {
    matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// A text as HTML, in which each of these characters is in a box of its own that shows its number.
pub(super) struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in self.0.split_inclusive(is_control) {
            let control = piece.chars().next_back().filter(|last| is_control(*last));
            let text =
                control.map_or(piece, |control| piece.strip_suffix(control).unwrap_or(piece));
            Html.write_escaped_str(&mut *f, text)?;
            if let Some(control) = control {
                let number = u32::from(control);
                // The character stays, so that a copied name is the name.
                write!(
                    f,
                    r#"<span class="control" dir="ltr" data-mark="U+{number:04X}">{control}</span>"#
                )?;
            }
        }
        Ok(())
    }
}

impl HtmlSafe for Shown<'_> {}

/// Shows a text as HTML.
pub(super) fn shown(text: &(impl AsRef<str> + ?Sized)) -> Shown<'_> {
    Shown(text.as_ref())
}

/// Spells these characters out where there are no boxes: in titles.
pub(super) fn spelled(text: &str) -> String {
    let spelled = text.chars().map(|character| match character {
        control if is_control(control) => format!("<U+{:04X}>", u32::from(control)),
        other => other.to_string(),
    });
    spelled.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_controls_of_direction_are_marked_and_all_text_is_escaped() {
        assert_eq!(shown("a<b مستودع").to_string(), "a&#60;b مستودع");
        let marked = shown("<\u{202e}fdp").to_string();
        let mark = "<span class=\"control\" dir=\"ltr\" data-mark=\"U+202E\">\u{202e}</span>";
        assert_eq!(marked, format!("&#60;{mark}fdp"));
        assert_eq!(spelled("a\u{61c}b\u{2069}"), "a<U+061C>b<U+2069>");
    }
}
