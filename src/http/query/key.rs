//! The parameters that name one entry.

use super::{QueryString, must_be};
use crate::domain::{Key, RepoName, ServerName};
use crate::http::error::ApiError;

/// Reads which entry is to be removed: `repo` and `server`, once each and literally.
///
/// # Errors
/// 400 with the parameter's name and what it takes.
pub(in crate::http) fn parse_key(query: &str) -> Result<Key, ApiError> {
    let sent = QueryString::without_filters(query, &["repo", "server"])?;
    sent.key("given: which entry is to be removed")
}

impl QueryString<'_> {
    /// Reads `repo` and `server`, once each and literally; what is needed is said if one is missing.
    ///
    /// # Errors
    /// 400 with the parameter's name and what it takes.
    pub(super) fn key(&self, needed: &str) -> Result<Key, ApiError> {
        let missing = |name| move || must_be(name, needed);
        let repo = self.single("repo")?.ok_or_else(missing("repo"))?;
        let server = self.single("server")?.ok_or_else(missing("server"))?;
        Ok(Key { repo: RepoName::parse(repo)?, server: ServerName::parse(server)? })
    }
}
