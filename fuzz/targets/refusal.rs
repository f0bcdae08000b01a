//! What is promised of every refusal.

use gitops_status_server::http::fuzzing::Refusal;

/// The longest error, in bytes: the known parameters or settings and a shortened input.
const LONGEST: usize = 2048;

/// An error is one line that says something and that a terminal shows as it is.
pub fn is_one_line(text: &str) {
    assert!(!text.is_empty() && text.len() <= LONGEST, "{} bytes: {text:?}", text.len());
    assert!(!text.contains(char::is_control), "{text:?}");
}

/// A refusal is the client's fault, and says what.
pub fn is_understandable(refusal: &Refusal) {
    let Refusal { status, message, detail } = refusal;
    assert!((400..500).contains(status), "{refusal:?}");
    is_one_line(message);
    detail.iter().for_each(|detail| is_one_line(detail));
}
