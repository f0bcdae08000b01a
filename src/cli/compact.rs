//! `compact`: makes a database's file as small as what it holds, and says how small that is.

use crate::config::DatabaseUrl;
use crate::store::OpenError;
use crate::store::sqlite::{Compacted, SqliteStore};

/// Compacts a database that no server has open, and returns what that came to, in words.
///
/// # Errors
/// As [`SqliteStore::compact`].
pub async fn compact(database: &DatabaseUrl) -> Result<String, OpenError> {
    let DatabaseUrl::Sqlite(path) = database;
    let Compacted { before, after } = SqliteStore::compact(path).await?;
    Ok(format!("{}: {before} bytes before, {after} bytes now\n", path.display()))
}
