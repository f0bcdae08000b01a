//! The filter parameters, which every endpoint takes that lists or counts entries.

use std::borrow::Cow;

use super::error::ApiError;
use super::query::{BOOLEANS, Parameter, QueryString, must_be, split};
use crate::domain::{Filter, LITERAL, Names, SyncStatus, Texts, boolean, means_all};

/// The names of the filters.
pub(super) const PARAMETERS: [&str; 9] =
    ["repo", "server", "file", "sync_status", "drifted", "stale", "revision", "q", LITERAL];

/// Other spellings of filters, which the links of Grafana have.
const ALIASES: [(&str, &str); 3] =
    [("var-repo", "repo"), ("var-server", "server"), ("var-revision", "revision")];

/// The most patterns in a name filter, and the most texts in `q`. Every entry and each of its files
/// is matched against all of them, so thousands would keep a core busy for minutes.
const MAX_PATTERNS: usize = 100;

impl<'a> QueryString<'a> {
    /// Reads the query string of an endpoint that takes filters and the parameters in `others`.
    ///
    /// # Errors
    /// 400 for any other parameter, and for text that is not UTF-8.
    pub(super) fn with_filters(query: &'a str, others: &[&str]) -> Result<Self, ApiError> {
        Self::checked(with_plain_names(split(query)?), &[&PARAMETERS, others].concat())
    }

    /// Reads the filters.
    ///
    /// # Errors
    /// 400 with the parameter's name and the accepted values.
    pub(super) fn filter(&self) -> Result<Filter, ApiError> {
        let is_literal = self.boolean(LITERAL)?.unwrap_or(false);
        Ok(Filter {
            repo: self.names("repo", is_literal)?,
            server: self.names("server", is_literal)?,
            file: self.names("file", is_literal)?,
            sync_status: self.choice("sync_status", "SYNCED or OUT_OF_SYNC", status)?,
            drifted: self.choice("drifted", BOOLEANS, boolean)?,
            stale: self.choice("stale", BOOLEANS, boolean)?,
            revision: self.names("revision", is_literal)?,
            text: self.texts("q")?,
        })
    }

    /// Reads a filter on a name.
    fn names(&self, name: &str, is_literal: bool) -> Result<Names, ApiError> {
        if is_literal {
            return Ok(Names::literals(self.values(name)));
        }
        let patterns = self.elements(name).filter(|element| element.contains('*'));
        if patterns.count() > MAX_PATTERNS {
            let accepted = format!("a list with at most {MAX_PATTERNS} patterns in it");
            return Err(must_be(name, &accepted));
        }
        Ok(Names::parse(self.values(name)))
    }

    /// Reads the texts of a search.
    fn texts(&self, name: &str) -> Result<Texts, ApiError> {
        let texts = Texts::parse(self.values(name)).filter(|texts| texts.len() <= MAX_PATTERNS);
        texts.ok_or_else(|| must_be(name, &format!("given at most {MAX_PATTERNS} times")))
    }

    /// Reads a filter on a fact that has two values. No word, both words, or a spelling of "all"
    /// filter nothing.
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

/// Replaces aliases by the names that they stand for.
pub(super) fn with_plain_names(mut sent: Vec<Parameter<'_>>) -> Vec<Parameter<'_>> {
    for (name, _) in &mut sent {
        if let Some((_, plain)) = ALIASES.iter().find(|(alias, _)| alias == name) {
            *name = Cow::Borrowed(plain);
        }
    }
    sent
}

fn status(word: &str) -> Option<SyncStatus> {
    SyncStatus::parse(&word.to_ascii_uppercase())
}
