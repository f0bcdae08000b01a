//! Says in words why a body is not one JSON object, and where: the `detail` of an error.
//!
//! It looks only at bodies that were refused. Numbers are offsets in bytes from the beginning of the
//! body.

use super::document::MAX_DEPTH;

/// Windows tools put this in front of UTF-8.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The most characters of a name that a reason shows.
const MOST_SHOWN: usize = 64;

/// Returns why a body is not one JSON object in UTF-8; `None` if it is one.
pub(super) fn reason(body: &[u8]) -> Option<String> {
    of_coding(body).or_else(|| {
        let at = if body.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        Scanner { body, at }.whole().err()
    })
}

/// Returns why the bytes are not text in UTF-8.
fn of_coding(body: &[u8]) -> Option<String> {
    match body {
        [] => return Some("the body is empty".to_owned()),
        [0x1f, 0x8b, ..] => {
            return Some("the body is gzip; send the header 'Content-Encoding: gzip'".to_owned());
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, ..] | [_, 0, ..] => {
            return Some("the body is UTF-16 or UTF-32; send UTF-8".to_owned());
        }
        _ => {}
    }
    let error = std::str::from_utf8(body).err()?;
    let at = error.valid_up_to();
    Some(match error.error_len() {
        Some(_) => format!("the bytes at {at} are not UTF-8"),
        None => format!("the body ended inside a character, which began at {at}"),
    })
}

/// Reads JSON as RFC 8259 defines it, and stops at the first fault.
struct Scanner<'a> {
    body: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn whole(mut self) -> Result<(), String> {
        self.skip_blanks();
        let kind = match self.next() {
            Some(b'{') => {
                self.value(1)?;
                self.skip_blanks();
                return match self.next() {
                    Some(_) => Err(format!("there is more after the object at {}", self.at)),
                    None => Ok(()),
                };
            }
            None => return Err("the body contains only white space".to_owned()),
            Some(b'[') => "is an array; this path takes one object, without [ ] around it",
            Some(b'"') => "is a string; this path takes an object, encoded as JSON only once",
            Some(b'\'') => "begins with a single quote; it has to begin with {",
            Some(_) => "is no JSON object, which begins with {",
        };
        Err(format!("the body {kind}"))
    }

    fn next(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }

    fn takes(&mut self, byte: u8) -> bool {
        let is_next = self.next() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn skip_while(&mut self, is_skipped: impl Fn(u8) -> bool) {
        while self.next().is_some_and(&is_skipped) {
            self.at += 1;
        }
    }

    fn skip_blanks(&mut self) {
        self.skip_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    }

    /// Reads a value; a container is at this depth.
    fn value(&mut self, depth: usize) -> Result<(), String> {
        let at = self.at;
        let first = self.next();
        if matches!(first, Some(b'{' | b'[')) && depth > MAX_DEPTH {
            return Err(format!("what begins at {at} is nested deeper than {MAX_DEPTH}"));
        }
        match first {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string(),
            Some(b'-' | b'+' | b'.' | b'0'..=b'9') => self.number(),
            Some(b'a'..=b'z' | b'A'..=b'Z') => self.word(),
            Some(b'\'') => Err(format!("the quote at {at} has to be a double quote")),
            Some(b'/' | b'#') => Err(format!("there is a comment at {at}; JSON has none")),
            Some(b'$') => Err(format!(
                "the $ at {at} begins no value; inside single quotes a shell replaces no variables"
            )),
            _ => Err(format!("there is no JSON value at {at}")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), String> {
        self.at += 1;
        self.skip_blanks();
        if self.takes(b'}') {
            return Ok(());
        }
        loop {
            let name = self.name()?;
            self.skip_blanks();
            if !self.takes(b':') {
                return Err(self.missing("a colon", "an object"));
            }
            self.skip_blanks();
            match self.next() {
                Some(b',' | b'}' | b']') => {
                    return Err(format!("{name} has no value at {}", self.at));
                }
                None => return Err(ended("an object")),
                Some(_) => self.value(depth + 1)?,
            }
            if self.ends(b'}', "an object")? {
                return Ok(());
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), String> {
        self.at += 1;
        self.skip_blanks();
        if self.takes(b']') {
            return Ok(());
        }
        loop {
            match self.next() {
                Some(b',') => {
                    return Err(format!("there is no value before the comma at {}", self.at));
                }
                None => return Err(ended("an array")),
                Some(_) => self.value(depth + 1)?,
            }
            if self.ends(b']', "an array")? {
                return Ok(());
            }
        }
    }

    /// Reads what follows a value in a container: its end, or a comma and then more.
    fn ends(&mut self, end: u8, container: &str) -> Result<bool, String> {
        self.skip_blanks();
        if self.takes(end) {
            return Ok(true);
        }
        if !self.takes(b',') {
            return Err(self.missing(&format!("a comma or {}", char::from(end)), container));
        }
        self.skip_blanks();
        match self.next() {
            Some(next) if next == end => Err(format!(
                "there is a comma too many before the {} at {}",
                char::from(end),
                self.at
            )),
            _ => Ok(false),
        }
    }

    fn missing(&self, missing: &str, container: &str) -> String {
        match self.next() {
            None => ended(container),
            Some(_) => {
                format!("{missing} is missing at {}; inside a string, \" is written \\\"", self.at)
            }
        }
    }

    /// Reads the name of a field, and returns it in quotes.
    fn name(&mut self) -> Result<String, String> {
        let at = self.at;
        match self.next() {
            Some(b'"') => self.string()?,
            Some(b',') => return Err(format!("there is a comma too many at {at}")),
            None => return Err(ended("an object")),
            Some(_) => {
                return Err(format!("the name of a field at {at} has to be in double quotes"));
            }
        }
        let raw = self.body.get(at + 1..self.at - 1).unwrap_or_default();
        let name = String::from_utf8_lossy(raw);
        let shown: String = name.chars().take(MOST_SHOWN).collect();
        let more = if shown.len() < name.len() { "..." } else { "" };
        Ok(format!("\"{}{more}\"", shown.escape_debug()))
    }

    fn string(&mut self) -> Result<(), String> {
        let began = self.at;
        self.at += 1;
        loop {
            match self.next() {
                None => {
                    return Err(format!("the body ended inside a string, which began at {began}"));
                }
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape(began)?,
                Some(control @ 0..0x20) => {
                    let at = self.at;
                    return Err(format!(
                        "the string at {began} has a control character at {at}; write it as \
                         \\u{control:04x}"
                    ));
                }
                Some(_) => self.at += 1,
            }
        }
    }

    fn escape(&mut self, began: usize) -> Result<(), String> {
        let at = self.at;
        match self.body.get(at + 1) {
            None => Err(format!("the body ended inside a string, which began at {began}")),
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                Ok(())
            }
            Some(b'u') => match (self.code_unit(at), self.code_unit(at + 6)) {
                (Some(0xD800..0xDC00), Some(0xDC00..0xE000)) => {
                    self.at += 12;
                    Ok(())
                }
                (Some(0xD800..0xE000), _) => {
                    Err(format!("the escape at {at} is half of a surrogate pair"))
                }
                (Some(_), _) => {
                    self.at += 6;
                    Ok(())
                }
                (None, _) => Err(format!("the escape at {at} needs four hexadecimal digits")),
            },
            Some(_) => {
                Err(format!("the backslash at {at} begins no escape; write \\\\ for a backslash"))
            }
        }
    }

    /// Reads `\uXXXX`.
    fn code_unit(&self, at: usize) -> Option<u16> {
        super::document::code_unit(self.body, at)
    }

    fn number(&mut self) -> Result<(), String> {
        let at = self.at;
        self.takes(b'-');
        let mut is_sound = self.takes(b'0') || self.digits();
        if self.takes(b'.') {
            is_sound &= self.digits();
        }
        if self.takes(b'e') || self.takes(b'E') {
            let _sign = self.takes(b'+') || self.takes(b'-');
            is_sound &= self.digits();
        }
        let goes_on = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'+');
        if is_sound && !self.next().is_some_and(goes_on) {
            return Ok(());
        }
        Err(format!(
            "the number at {at} is no JSON: text needs double quotes, and a number has no leading \
             zero and no plus sign"
        ))
    }

    /// Reads one digit or more; returns whether there was one.
    fn digits(&mut self) -> bool {
        let at = self.at;
        self.skip_while(|byte| byte.is_ascii_digit());
        self.at > at
    }

    fn word(&mut self) -> Result<(), String> {
        let at = self.at;
        self.skip_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        match self.body.get(at..self.at) {
            Some(b"true" | b"false" | b"null") => Ok(()),
            _ => Err(format!(
                "the word at {at} is no JSON: text needs double quotes, and true, false and null \
                 are in lower case"
            )),
        }
    }
}

fn ended(container: &str) -> String {
    format!("the body ended inside {container}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    use super::*;
    use crate::http::document;

    #[test]
    fn a_number_is_read_as_json_defines_it() {
        for number in ["0", "-0", "10", "1.50", "-1e9", "2E-3", "0.1e+2"] {
            assert_eq!(reason(format!("{{\"a\":{number}}}").as_bytes()), None, "{number}");
        }
        for number in ["01", "-", "+1", ".5", "5.", "1e", "1e+", "0x1", "2026-04-21", "1.2.3"] {
            let reason = reason(format!("{{\"a\":{number}}}").as_bytes()).unwrap();
            assert!(reason.starts_with("the number at 5 is no JSON"), "{number}: {reason}");
        }
    }

    #[test]
    fn a_long_or_odd_name_is_shown_in_part_and_escaped() {
        let body = format!("{{\"{}\":}}", "\u{202e}".repeat(100));
        let shown = reason(body.as_bytes()).unwrap();
        assert_eq!(shown.matches("\\u{202e}").count(), MOST_SHOWN, "{shown}");
        assert!(shown.ends_with("...\" has no value at 304"), "{shown}");
    }

    /// Whether the readers of updates take a body for one JSON object.
    fn is_object(body: &[u8]) -> bool {
        let text = std::str::from_utf8(body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body));
        text.is_ok_and(|text| {
            text.trim_ascii_start().starts_with('{')
                && document::is_acceptable(text)
                && serde_json::from_str::<IgnoredAny>(text).is_ok()
        })
    }

    const SAMPLE: &str = r#" {"a" : "x\n\u00e4\ud83d\ude00", "b":[1, -2.5e-3, true,null ,{}, []],
        "c":{"d":"ü","e":[{"f":false}]}} "#;

    proptest! {
        #[test]
        fn there_is_a_reason_exactly_where_a_body_is_refused(
            changes in prop::collection::vec(
                (any::<prop::sample::Index>(), "[{}\\[\\],:\"'\\\\0-9a-fu.+ \\n\u{e9}]{0,2}"), 0..4,
            ),
            cut in any::<prop::sample::Index>(),
            is_cut in any::<bool>(),
        ) {
            let mut body = SAMPLE.as_bytes().to_vec();
            for (place, text) in changes {
                let place = place.index(body.len());
                body.splice(place..=place, text.bytes());
            }
            if is_cut {
                body.truncate(cut.index(body.len() + 1));
            }
            let reason = reason(&body);
            prop_assert_eq!(reason.is_none(), is_object(&body), "{:?}", reason);
        }
    }
}
