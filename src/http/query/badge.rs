//! The parameters of a badge: filters, and the text on its left.

use super::{QueryString, must_be};
use crate::domain::Filter;
use crate::http::error::ApiError;

/// The longest label, in characters.
const MAX_LABEL: usize = 64;

/// What a badge is asked for.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(in crate::http) struct BadgeQuery {
    pub(in crate::http) filter: Filter,
    pub(in crate::http) label: String,
}

impl BadgeQuery {
    /// Reads the query string of a badge.
    ///
    /// # Errors
    /// 400 with the parameter's name and what it takes.
    pub(in crate::http) fn parse(query: &str) -> Result<Self, ApiError> {
        let sent = QueryString::with_filters(query, &["label"])?;
        let filter = sent.filter()?;
        let label = sent.single("label")?.unwrap_or("gitops");
        if is_label(label) {
            Ok(Self { filter, label: label.to_owned() })
        } else {
            let accepted = format!("1 to {MAX_LABEL} characters, no control characters");
            Err(must_be("label", &accepted))
        }
    }
}

fn is_label(text: &str) -> bool {
    // XML 1.0 has no way to write the last two of these, nor most control characters.
    let is_shown =
        |character: char| !character.is_control() && !matches!(character, '\u{fffe}' | '\u{ffff}');
    (1..=MAX_LABEL).contains(&text.chars().count()) && text.chars().all(is_shown)
}
