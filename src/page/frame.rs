//! What every page has around its content: head, foot, and the data for its script.

use super::account::Account;
use super::asset::{Asset, ICON, LOST_ICON, SCRIPTS, STYLE};
use super::context::PageContext;
use super::moment::minute;
use super::parameters::Parameters;

/// The parts that every page has.
pub(super) struct Frame {
    pub(super) title: String,
    pub(super) style: &'static str,
    pub(super) scripts: &'static [Asset],
    pub(super) icon: &'static str,
    pub(super) lost_icon: &'static str,
    /// The time of the page, so that ages do not depend on the browser's clock.
    pub(super) now: String,
    /// The event stream of the entries that the page shows; empty if the page never changes.
    pub(super) events: String,
    /// Who reads the page.
    pub(super) account: Account,
}

impl Frame {
    /// Returns the time of the page to the minute, for paper.
    pub(super) fn minute(&self) -> String {
        minute(&self.now)
    }

    /// Frames a page that follows the changes of the entries that match these filters.
    pub(super) fn live(title: String, context: &PageContext, filters: &Parameters) -> Self {
        // An event only makes the page reload its content, so the events are kept short.
        let events = filters.with(&[("fields", Some("repo,server"))]).link("api/events");
        Self { events, ..Self::still(title, context) }
    }

    /// Frames a page that does not change.
    pub(super) fn still(title: String, context: &PageContext) -> Self {
        Self {
            title,
            style: &STYLE.name,
            scripts: SCRIPTS.as_slice(),
            icon: &ICON.name,
            lost_icon: &LOST_ICON.name,
            now: context.now.to_string(),
            events: String::new(),
            account: context.account.clone(),
        }
    }
}
