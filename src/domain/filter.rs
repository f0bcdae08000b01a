//! Filters: which entries an answer is about. [`Filter::matches`] is the definition.

use super::{Names, Slot, SyncStatus};

/// Conditions on entries, joined by AND; the default lets every entry pass.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Filter {
    /// Which repositories.
    pub repo: Names,
    /// Which servers.
    pub server: Names,
    /// Entries that list one of these files.
    pub file: Names,
    /// Which status, stale or not.
    pub sync_status: Option<SyncStatus>,
    /// The drifted, or the others.
    pub drifted: Option<bool>,
    /// The stale, or the others.
    pub stale: Option<bool>,
    /// Entries whose repo, server or a file name contains one of these texts, in lower case.
    pub text: Vec<String>,
}

impl Filter {
    /// Whether an entry passes. Whether it has expired is not asked here.
    #[must_use]
    pub fn matches(&self, slot: &Slot) -> bool {
        let Self { repo, server, file, sync_status, drifted, stale, text } = self;
        let report = &slot.entry().report;
        sync_status.is_none_or(|wanted| wanted == report.sync_status)
            && drifted.is_none_or(|wanted| wanted == report.is_drifted())
            && stale.is_none_or(|wanted| wanted == slot.is_stale())
            && repo.matches(report.repo.as_str())
            && server.matches(report.server.as_str())
            && (file.is_any() || report.files.iter().any(|name| file.matches(name.as_str())))
            && (text.is_empty() || text.iter().any(|text| mentions(slot, text)))
    }

    /// Whether every entry passes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.repo.is_any() && self.is_by_repo_only()
    }

    /// Whether nothing but the repository is asked for.
    #[must_use]
    pub fn is_by_repo_only(&self) -> bool {
        let Self { repo: _, server, file, sync_status, drifted, stale, text } = self;
        let names = server.is_any() && file.is_any() && text.is_empty();
        names && sync_status.is_none() && drifted.is_none() && stale.is_none()
    }

    /// Turns a text into the form in which [`Filter::text`] compares: Unicode lower case.
    #[must_use]
    pub fn fold(text: &str) -> String {
        // Character by character, so that a part of a text folds as it does within the whole.
        text.chars().flat_map(char::to_lowercase).collect()
    }
}

fn mentions(slot: &Slot, folded: &str) -> bool {
    let report = &slot.entry().report;
    let contains = |name: &str| Filter::fold(name).contains(folded);
    contains(report.repo.as_str())
        || contains(report.server.as_str())
        || report.files.iter().any(|name| contains(name.as_str()))
}
