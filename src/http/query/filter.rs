//! The filters, which every path that lists or counts entries takes.

use super::{QueryString, TRUTHS, must_be, truth};
use crate::domain::{Filter, Names, SyncStatus, Texts, means_all};
use crate::http::error::ApiError;

/// The parameters that are filters.
pub(super) const PARAMETERS: [&str; 7] =
    ["repo", "server", "file", "sync_status", "drifted", "stale", "q"];

/// The most patterns of a name filter, and the most texts of `q`: every entry, and every file that
/// it lists, is held against each, so thousands would keep a core busy for minutes.
const MAX_PATTERNS: usize = 100;

impl QueryString<'_> {
    /// Reads the filters.
    ///
    /// # Errors
    /// 400 with the parameter's name and what it takes.
    pub(super) fn filter(&self) -> Result<Filter, ApiError> {
        Ok(Filter {
            repo: self.names("repo")?,
            server: self.names("server")?,
            file: self.names("file")?,
            sync_status: self.choice("sync_status", "SYNCED or OUT_OF_SYNC", status)?,
            drifted: self.choice("drifted", TRUTHS, truth)?,
            stale: self.choice("stale", TRUTHS, truth)?,
            text: self.texts("q")?,
        })
    }

    /// Reads a filter on a name.
    fn names(&self, name: &str) -> Result<Names, ApiError> {
        let patterns = self.elements(name).filter(|element| element.contains('*'));
        if patterns.count() > MAX_PATTERNS {
            let accepted = format!("a list with at most {MAX_PATTERNS} patterns in it");
            return Err(must_be(name, &accepted));
        }
        Ok(Names::parse(self.values(name)))
    }

    /// Reads texts to be looked for.
    fn texts(&self, name: &str) -> Result<Texts, ApiError> {
        let texts = Texts::parse(self.values(name)).filter(|texts| texts.len() <= MAX_PATTERNS);
        texts.ok_or_else(|| must_be(name, &format!("given at most {MAX_PATTERNS} times")))
    }

    /// Reads a filter on a fact with two values: a list of words, of which both together, none, or
    /// a spelling of "all" filter nothing.
    fn choice<T: Copy + PartialEq>(
        &self,
        name: &str,
        accepted: &str,
        read: fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        let mut chosen: Option<T> = None;
        let mut filters = true;
        for word in self.elements(name) {
            if means_all(word) {
                filters = false;
                continue;
            }
            let value = read(word).ok_or_else(|| must_be(name, accepted))?;
            filters &= chosen.is_none_or(|chosen| chosen == value);
            chosen = Some(value);
        }
        Ok(chosen.filter(|_| filters))
    }
}

fn status(word: &str) -> Option<SyncStatus> {
    SyncStatus::parse(&word.to_ascii_uppercase())
}
