//! The parameters of a removal: which entry is meant.

use super::{Sent, must_be};
use crate::domain::{Key, RepoName, ServerName};
use crate::http::error::ApiError;

/// Reads `repo` and `server`, once each and literally.
///
/// # Errors
/// 400 with the parameter's name and what it takes.
pub(in crate::http) fn parse_key(query: &str) -> Result<Key, ApiError> {
    let sent = Sent::without_filters(query, &["repo", "server"])?;
    let needed = |name| move || must_be(name, "given: which entry is to be removed");
    let repo = sent.single("repo")?.ok_or_else(needed("repo"))?;
    let server = sent.single("server")?.ok_or_else(needed("server"))?;
    Ok(Key { repo: RepoName::parse(repo)?, server: ServerName::parse(server)? })
}
