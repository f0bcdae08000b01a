//! Percent escapes in the parts of a URL.

use percent_encoding::{
    AsciiSet, NON_ALPHANUMERIC, PercentEncode, percent_decode_str, utf8_percent_encode,
};

use super::super::value::InvalidValue;

/// All but the characters that have no meaning in any part of a URL.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same in the value of a parameter, where a path is easier to read with its slashes.
const ESCAPED_IN_VALUE: &AsciiSet = &ESCAPED.remove(b'/').remove(b':');

pub(super) fn escaped(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, ESCAPED)
}

pub(super) fn escaped_value(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, ESCAPED_IN_VALUE)
}

/// Decodes a part of a URL that `what` names.
///
/// # Errors
/// A percent sign that begins no escape, and bytes that are no UTF-8 or control characters.
pub(super) fn decoded(text: &str, what: &str) -> Result<String, InvalidValue> {
    let is_escape = |rest: &str| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !text.split('%').skip(1).all(is_escape) {
        let reason = format!("{what}: a % begins no escape such as %40; write it %25");
        return Err(InvalidValue::new(reason));
    }
    let decoded = percent_decode_str(text).decode_utf8();
    let decoded = decoded.map_err(|_| InvalidValue::new(format!("{what}: not valid UTF-8")))?;
    checked(&decoded, what).map(str::to_owned)
}

/// Refuses control characters.
pub(super) fn checked<'a>(text: &'a str, what: &str) -> Result<&'a str, InvalidValue> {
    if text.contains(char::is_control) {
        return Err(InvalidValue::new(format!("{what}: control characters are not accepted")));
    }
    Ok(text)
}
