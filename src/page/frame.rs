//! What every page has around its content.

use super::asset::{CONTROLS, ICON, SCRIPT, STYLE};
use super::{PageContext, Parameters};

/// Head and foot of a page, and what its script has to know.
pub(super) struct Frame {
    pub(super) title: String,
    pub(super) style: &'static str,
    pub(super) script: &'static str,
    pub(super) controls: &'static str,
    pub(super) icon: &'static str,
    /// The moment of the page, so that ages do not depend on the reader's clock.
    pub(super) now: String,
    /// Where changes of what the page shows are told; empty if it shows nothing that changes.
    pub(super) events: String,
}

impl Frame {
    /// Frames a page that follows changes of the entries that these filters let pass.
    pub(super) fn live(title: String, context: &PageContext, filters: &Parameters) -> Self {
        // The page only has to hear that something has changed: it reads the rest itself.
        let events = filters.with(&[("fields", Some("repo,server"))]).link("api/events");
        Self { events, ..Self::still(title, context) }
    }

    /// Frames a page that stays as it is.
    pub(super) fn still(title: String, context: &PageContext) -> Self {
        Self {
            title,
            style: &STYLE.name,
            script: &SCRIPT.name,
            controls: &CONTROLS.name,
            icon: &ICON.name,
            now: context.now.to_string(),
            events: String::new(),
        }
    }
}
