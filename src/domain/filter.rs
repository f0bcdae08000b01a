//! Filters: which entries an answer is about. [`Filter::matches`] is the definition.

use super::{FileName, KeyRef, Names, Slot, SyncStatus};

/// What filters look at, in an entry or in a change of one.
pub trait Facts {
    /// The pair.
    fn key(&self) -> KeyRef<'_>;
    /// The status.
    fn sync_status(&self) -> SyncStatus;
    /// Whether the server has drifted.
    fn is_drifted(&self) -> bool;
    /// Whether it is about a reporter that has fallen silent.
    fn is_stale(&self) -> bool;
    /// The files that it names.
    fn files(&self) -> impl Iterator<Item = &FileName>;
}

impl Facts for Slot {
    fn key(&self) -> KeyRef<'_> {
        self.entry().key()
    }

    fn sync_status(&self) -> SyncStatus {
        self.entry().report.sync_status
    }

    fn is_drifted(&self) -> bool {
        self.entry().report.is_drifted()
    }

    fn is_stale(&self) -> bool {
        Self::is_stale(self)
    }

    fn files(&self) -> impl Iterator<Item = &FileName> {
        self.entry().report.files.iter()
    }
}

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
    pub fn matches(&self, facts: &impl Facts) -> bool {
        let Self { repo, server, file, sync_status, drifted, stale, text } = self;
        let key = facts.key();
        sync_status.is_none_or(|wanted| wanted == facts.sync_status())
            && drifted.is_none_or(|wanted| wanted == facts.is_drifted())
            && stale.is_none_or(|wanted| wanted == facts.is_stale())
            && repo.matches(key.repo)
            && server.matches(key.server)
            && (file.is_any() || facts.files().any(|name| file.matches(name.as_str())))
            && (text.is_empty() || mentions_any(facts, text))
    }

    /// Whether the names of a pair pass.
    #[must_use]
    pub fn names_match(&self, key: KeyRef<'_>) -> bool {
        self.repo.matches(key.repo) && self.server.matches(key.server)
    }

    /// Whether nothing but the pair is asked for.
    #[must_use]
    pub fn is_by_names_only(&self) -> bool {
        let Self { repo: _, server: _, file, sync_status, drifted, stale, text } = self;
        let files = file.is_any() && text.is_empty();
        files && sync_status.is_none() && drifted.is_none() && stale.is_none()
    }

    /// Whether every entry passes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.repo.is_any() && self.is_by_repo_only()
    }

    /// Whether nothing but the repository is asked for.
    #[must_use]
    pub fn is_by_repo_only(&self) -> bool {
        self.server.is_any() && self.is_by_names_only()
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

fn mentions_any(facts: &impl Facts, folded: &[String]) -> bool {
    // A name is folded once, however many texts are looked for.
    let contains_any = |name: &str| {
        let name = Filter::fold(name);
        folded.iter().any(|text| name.contains(text.as_str()))
    };
    let key = facts.key();
    contains_any(key.repo)
        || contains_any(key.server)
        || facts.files().any(|name| contains_any(name.as_str()))
}
