//! `compact`: shrinks a database file to the size of its content.

use std::path::Path;

use crate::store::OpenError;
use crate::store::sqlite::{Compacted, SqliteStore};

/// Compacts a database that no server has open, and returns the sizes before and after, as text.
///
/// # Errors
/// As [`SqliteStore::compact`].
pub async fn compact(path: &Path) -> Result<String, OpenError> {
    let Compacted { before, after } = SqliteStore::compact(path).await?;
    Ok(format!("{}: {before} bytes before, {after} bytes now\n", path.display()))
}
