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
            && (text.is_empty() || mentions_any(slot, text))
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

    /// Whether the names of files are asked for, of which an entry may have thousands.
    #[must_use]
    pub fn looks_at_files(&self) -> bool {
        !self.file.is_any() || !self.text.is_empty()
    }

    /// Turns a text into the form in which [`Filter::text`] compares: Unicode lower case.
    #[must_use]
    pub fn fold(text: &str) -> String {
        // Character by character, so that a part of a text folds as it does within the whole.
        text.chars().flat_map(char::to_lowercase).collect()
    }
}

fn mentions_any(slot: &Slot, folded: &[String]) -> bool {
    let report = &slot.entry().report;
    // A name is folded once, however many texts are looked for.
    let contains_any = |name: &str| {
        let name = Filter::fold(name);
        folded.iter().any(|text| name.contains(text.as_str()))
    };
    contains_any(report.repo.as_str())
        || contains_any(report.server.as_str())
        || report.files.iter().any(|name| contains_any(name.as_str()))
}
