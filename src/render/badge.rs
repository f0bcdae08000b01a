//! A badge: a small SVG image with the status of a selection.

use bytes::Bytes;

use crate::domain::{Selected, Tally};

/// The height of a badge in pixels.
const HEIGHT: usize = 20;
/// The space on each side of a text in pixels.
const MARGIN: usize = 6;

/// The right side. White text has a contrast of at least 4.5 on each colour, as WCAG 2.2 (1.4.3)
/// requires.
struct Verdict {
    text: String,
    colour: &'static str,
}

const GREEN: &str = "#2e7d32";
const RED: &str = "#c62828";
const GREY: &str = "#616161";

impl Verdict {
    /// Drift takes precedence: a drift does not end because its reporter falls silent.
    fn of(tally: &Tally) -> Self {
        let (text, colour) = match tally {
            Tally { entries: 0, .. } => ("none".to_owned(), GREY),
            Tally { drifted: 0, stale: 0, .. } => ("in sync".to_owned(), GREEN),
            Tally { drifted: 0, stale, .. } => (format!("{stale} stale"), GREY),
            Tally { drifted, .. } => (format!("{drifted} drifted"), RED),
        };
        Self { text, colour }
    }
}

/// Returns a badge with a label on its left side. The link works where the badge is a document of
/// its own; a picture in a page has only the link that the page puts around it.
#[must_use]
pub fn badge(selected: &Selected<'_>, label: &str, link: Option<&str>) -> Bytes {
    let Verdict { text, colour } = Verdict::of(&Tally::of(selected.standings()));
    let (label_width, text_width) = (width(label), width(&text));
    let (left, right) = (label_width + 2 * MARGIN, text_width + 2 * MARGIN);
    let whole = left + right;
    let text_start = left + MARGIN;
    let label = escaped(label);
    let (link, end_of_link) = match link {
        Some(link) => (format!("<a href=\"{}\" target=\"_top\">", escaped(link)), "</a>"),
        None => (String::new(), ""),
    };
    // `textLength` fits any font into the boxes, so the widths may be estimates.
    let svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="{HEIGHT}" role="img" aria-label="{label}: {text}"><title>{label}: {text}</title>{link}<clipPath id="r"><rect width="{whole}" height="{HEIGHT}" rx="3"/></clipPath><g clip-path="url(#r)"><rect width="{left}" height="{HEIGHT}" fill="#424242"/><rect x="{left}" width="{right}" height="{HEIGHT}" fill="{colour}"/></g><g fill="#fff" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" font-size="11"><text x="{MARGIN}" y="14" textLength="{label_width}">{label}</text><text x="{text_start}" y="14" textLength="{text_width}">{text}</text></g>{end_of_link}</svg>"##
    );
    svg.into()
}

/// Estimates the width of a text in Verdana at 11 pixels.
fn width(text: &str) -> usize {
    text.chars().map(character_width).sum()
}

const fn character_width(character: char) -> usize {
    match character {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '|' | '!' | '\'' | ' ' => 4,
        'f' | 'r' | 't' | '(' | ')' | '[' | ']' | '/' | '-' => 5,
        // Letters of most scripts are as wide as Latin ones; from Hangul on they are wider.
        'm' | 'w' | 'M' | 'W' | '@' | '%' | '\u{1100}'.. => 11,
        'A'..='Z' => 8,
        _ => 7,
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
