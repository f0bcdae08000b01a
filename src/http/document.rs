//! Checks of a whole JSON document that a parser does not make on the parts it skips.

/// How deep a document may nest.
const MAX_DEPTH: usize = 128;

/// Whether a text, if it is JSON at all, nests no deeper than allowed and has no lone surrogates.
///
/// This is no parser: for what is not JSON it may say either.
pub(super) fn is_acceptable(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (mut depth, mut place) = (0_usize, 0);
    while let Some(&byte) = bytes.get(place) {
        place += 1;
        match byte {
            b'[' | b'{' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return false;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => match end_of_string(bytes, place) {
                Some(end) => place = end,
                None => return false,
            },
            _ => {}
        }
    }
    true
}

/// Returns the place after a string that starts at `place`, or `None` if it has no end or half of
/// a surrogate pair.
fn end_of_string(bytes: &[u8], mut place: usize) -> Option<usize> {
    loop {
        match bytes.get(place)? {
            b'"' => return Some(place + 1),
            b'\\' if bytes.get(place + 1)? == &b'u' => match code_unit(bytes, place)? {
                0xD800..0xDC00 => {
                    let is_pair = matches!(code_unit(bytes, place + 6), Some(0xDC00..0xE000));
                    place += is_pair.then_some(12)?;
                }
                0xDC00..0xE000 => return None,
                _ => place += 6,
            },
            b'\\' => place += 2,
            _ => place += 1,
        }
    }
}

/// Reads `\uXXXX`.
fn code_unit(bytes: &[u8], place: usize) -> Option<u16> {
    let digits = bytes.get(place..place + 6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |value: u16, &digit| {
        let digit = char::from(digit).to_digit(16)?;
        Some(value << 4 | u16::try_from(digit).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_nests_128_deep_and_no_deeper() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(is_acceptable(&nested(128)));
        assert!(!is_acceptable(&nested(129)));
        assert!(!is_acceptable(&"[".repeat(100_000)));
        assert!(is_acceptable(&format!("\"{}\"", "[".repeat(200))), "brackets in a string");
        assert!(is_acceptable(&format!("[{}]", vec!["[]"; 200].join(","))), "side by side");
    }

    #[test]
    fn a_surrogate_needs_its_other_half() {
        assert!(is_acceptable(r#""\ud83d\ude00""#));
        assert!(is_acceptable(r#""\\ud83d""#), "an escaped backslash is no escape");
        for text in
            [r#""\ud83d""#, r#""\ude00""#, r#""\ud83dx""#, r#""\ud83d\u0041""#, r#""\ud83d\ud83d""#]
        {
            assert!(!is_acceptable(text), "{text}");
        }
    }
}
