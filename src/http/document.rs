//! The check of a whole JSON document, including the parts that the parser skips.

/// The deepest nesting that is accepted.
pub(super) const MAX_DEPTH: usize = 128;

/// Whether a JSON text nests no deeper than [`MAX_DEPTH`] and has no lone surrogates.
///
/// The answer means nothing for a text that is not JSON.
pub(super) fn is_acceptable(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'[' | b'{' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return false;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => match end_of_string(bytes, at) {
                Some(end) => at = end,
                None => return false,
            },
            _ => {}
        }
    }
    true
}

/// Returns the index after the string whose content starts at `at`, or `None` if it does not end or
/// has a lone surrogate.
fn end_of_string(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' if bytes.get(at + 1)? == &b'u' => match code_unit(bytes, at)? {
                0xD800..0xDC00 => {
                    let is_pair = matches!(code_unit(bytes, at + 6), Some(0xDC00..0xE000));
                    at += is_pair.then_some(12)?;
                }
                0xDC00..0xE000 => return None,
                _ => at += 6,
            },
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Reads `\uXXXX`.
pub(super) fn code_unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
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
