//! The page of an error.

use askama::Template;

use super::context::PageContext;
use super::frame::Frame;

#[derive(Template)]
#[template(path = "problem.html")]
struct Problem<'a> {
    frame: Frame,
    heading: &'a str,
    sentence: &'a str,
    /// Whether signing in would help.
    lacks_right: bool,
}

/// Renders a page that says what is wrong, and offers to sign in if that would help.
///
/// # Errors
/// None that is known: the text is written into memory.
pub fn problem(
    heading: &str,
    sentence: &str,
    lacks_right: bool,
    context: &PageContext,
) -> askama::Result<String> {
    let frame = Frame::still(format!("{heading} · GitOps status"), context);
    Problem { frame, heading, sentence, lacks_right }.render()
}
