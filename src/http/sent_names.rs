//! The names in a body that was refused, by which its sender is found.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::malformed::BYTE_ORDER_MARK;
use super::wire::string;

/// How much of a name is kept: as much as a right one may have.
const MOST_CHARACTERS: usize = 255;

/// The names that could be read, even if they are wrong themselves.
#[derive(Debug, Default)]
pub(super) struct SentNames {
    repo: Option<String>,
    server: Option<String>,
}

impl SentNames {
    /// Reads the names of a body up to its first fault.
    pub(super) fn in_body(body: &[u8]) -> Self {
        let json = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
        let mut names = Self::default();
        // What is wrong with the body has been found already.
        serde_json::Deserializer::from_slice(json).deserialize_map(&mut names).ok();
        names
    }
}

impl<'de> Visitor<'de> for &mut SentNames {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while let Some(field) = fields.next_key::<String>()? {
            match field.as_str() {
                "repo" => self.repo = name(fields.next_value()?),
                "server" => self.server = name(fields.next_value()?),
                _ => {
                    fields.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

fn name(value: &RawValue) -> Option<String> {
    let text = string(value).filter(|text| !text.is_empty())?;
    Some(text.chars().take(MOST_CHARACTERS).collect())
}

impl fmt::Display for SentNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { repo, server } = self;
        match (repo, server) {
            (Some(repo), Some(server)) => {
                write!(f, " for {}:{}", repo.escape_debug(), server.escape_debug())
            }
            (Some(repo), None) => write!(f, " for the repo {}", repo.escape_debug()),
            (None, Some(server)) => write!(f, " for the server {}", server.escape_debug()),
            (None, None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_up_to_the_first_fault_and_escaped() {
        let long = format!(r#"{{"repo":"{}"}}"#, "x".repeat(300));
        for (body, expected) in [
            (r#"{"repo":"r","server":"s","drift_count":}"#, " for r:s"),
            (r#"{"files":[{"a":1}],"server":"s","repo":"r\n"}"#, " for r\\n:s"),
            ("\u{feff}{\"repo\":\"\u{202e}\",\"server\":7,,", " for the repo \\u{202e}"),
            (r#"{"repo":"","server":"s""#, " for the server s"),
            (r#"{"drift_count":,"repo":"r"}"#, ""),
            (r#"[{"repo":"r"}]"#, ""),
            ("", ""),
            (long.as_str(), &format!(" for the repo {}", "x".repeat(255))),
        ] {
            assert_eq!(SentNames::in_body(body.as_bytes()).to_string(), expected, "{body}");
        }
    }
}
