//! Filters on entries and on the history. [`Filter::matches`] is their one definition.

use super::effort::ENTRY;
use super::{Effort, FileName, GitRevision, GivenUp, KeyRef, Names, Standing, SyncStatus, Texts};

/// The properties that filters look at, of an entry or of a transition.
pub trait Facts {
    /// The key.
    fn key(&self) -> KeyRef<'_>;
    /// The status.
    fn sync_status(&self) -> SyncStatus;
    /// Whether the server has drifted.
    fn is_drifted(&self) -> bool;
    /// Whether the reporter has fallen silent.
    fn is_stale(&self) -> bool;
    /// The commit named, if one was.
    fn revision(&self) -> Option<&GitRevision>;
    /// The files named.
    fn files(&self) -> impl Iterator<Item = &FileName>;
}

impl Facts for Standing {
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

    fn revision(&self) -> Option<&GitRevision> {
        self.entry().report.revision.as_ref()
    }

    fn files(&self) -> impl Iterator<Item = &FileName> {
        self.entry().report.files.iter()
    }
}

/// Criteria that all have to hold; the default lets every entry pass.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Filter {
    /// The repositories.
    pub repo: Names,
    /// The servers.
    pub server: Names,
    /// Entries that list at least one of these files.
    pub file: Names,
    /// The status, whether the entry is stale or not.
    pub sync_status: Option<SyncStatus>,
    /// Drifted entries, or the others.
    pub drifted: Option<bool>,
    /// Stale entries, or the others.
    pub stale: Option<bool>,
    /// Entries whose report named one of these commits.
    pub revision: Names,
    /// Entries whose repo, server or a file name contains one of these texts, in lower case.
    pub text: Texts,
}

impl Filter {
    /// Whether an entry passes. Does not check whether the entry has expired.
    #[must_use]
    pub fn matches(&self, facts: &impl Facts) -> bool {
        self.matches_within(facts, &mut Effort::unlimited()).unwrap_or(false)
    }

    /// Like [`Self::matches`], within a limit on the work.
    ///
    /// # Errors
    /// [`GivenUp`] if the effort ends.
    pub fn matches_within(
        &self,
        facts: &impl Facts,
        effort: &mut Effort<'_>,
    ) -> Result<bool, GivenUp> {
        let Self { repo, server, file, sync_status, drifted, stale, revision, text } = self;
        let key = facts.key();
        effort.spend(ENTRY + repo.cost(key.repo) + server.cost(key.server))?;
        let passes = sync_status.is_none_or(|wanted| wanted == facts.sync_status())
            && drifted.is_none_or(|wanted| wanted == facts.is_drifted())
            && stale.is_none_or(|wanted| wanted == facts.is_stale())
            && repo.matches(key.repo)
            && server.matches(key.server)
            && (revision.is_any() || names_commit(facts, revision, effort)?);
        Ok(passes
            && (file.is_any() || lists_any(facts, file, effort)?)
            && (text.is_empty() || mentions_any(facts, text, effort)?))
    }

    /// Whether the names of a key pass.
    #[must_use]
    pub fn names_match(&self, key: KeyRef<'_>) -> bool {
        self.repo.matches(key.repo) && self.server.matches(key.server)
    }

    /// Whether the filter looks at the key only.
    #[must_use]
    pub fn is_by_names_only(&self) -> bool {
        let Self { repo: _, server: _, file, sync_status, drifted, stale, revision, text } = self;
        let is_by_name = file.is_any() && revision.is_any() && text.is_empty();
        is_by_name && sync_status.is_none() && drifted.is_none() && stale.is_none()
    }

    /// Whether every entry passes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.repo.is_any() && self.is_by_repo_only()
    }

    /// Whether the filter looks at the repository only.
    #[must_use]
    pub fn is_by_repo_only(&self) -> bool {
        self.server.is_any() && self.is_by_names_only()
    }

    /// Whether the filter looks at file names, of which an entry may have thousands.
    #[must_use]
    pub fn looks_at_files(&self) -> bool {
        !self.file.is_any() || !self.text.is_empty()
    }

    /// Whether only a few keys can pass, whatever entries there are.
    #[must_use]
    pub fn names_few_pairs(&self) -> bool {
        const FEW: usize = 16;
        let count = |names: &Names| names.exact().map_or(usize::MAX, |names| names.len());
        count(&self.repo).saturating_mul(count(&self.server)) <= FEW
    }
}

fn names_commit(
    facts: &impl Facts,
    revisions: &Names,
    effort: &mut Effort<'_>,
) -> Result<bool, GivenUp> {
    let Some(revision) = facts.revision() else { return Ok(false) };
    effort.spend(revisions.cost(revision.as_str()))?;
    Ok(revisions.matches(revision.as_str()))
}

fn lists_any(facts: &impl Facts, names: &Names, effort: &mut Effort<'_>) -> Result<bool, GivenUp> {
    for name in facts.files().map(FileName::as_str) {
        effort.spend(names.cost(name))?;
        if names.matches(name) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn mentions_any(
    facts: &impl Facts,
    texts: &Texts,
    effort: &mut Effort<'_>,
) -> Result<bool, GivenUp> {
    let key = facts.key();
    if texts.are_in(key.repo) || texts.are_in(key.server) {
        return Ok(true);
    }
    for name in facts.files().map(FileName::as_str) {
        effort.spend(name.len())?;
        if texts.are_in(name) {
            return Ok(true);
        }
    }
    Ok(false)
}
