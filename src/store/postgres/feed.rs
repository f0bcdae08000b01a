//! What commits tell other replicas.

use std::borrow::Cow;
use std::sync::Arc;

use futures_util::TryStreamExt;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::sql::{self, FORMAT};
use crate::domain::{Changes, CommitId, Head, InvalidField, Key, RepoName, Revision, ServerName};
use crate::store::{StoreError, record};

/// Reads what a commit has changed from a row, whose columns from `first` on are its revision, its
/// token, and what it put, saw and removed.
pub(super) fn read_commit(row: &PgRow, first: usize) -> Result<Changes, StoreError> {
    let text = |place| row.try_get::<Option<&str>, _>(first + place);
    let (put, seen, removed) = (text(2)?, text(3)?, text(4)?);
    let mut changes = Changes { head: read_head(row, first)?, ..Changes::default() };
    if let Some(put) = put {
        record::read_entries(put, None, |entry, _| changes.put.push(Arc::new(entry)))?;
    }
    if let Some(seen) = seen {
        changes.seen = record::read_sightings(seen)?;
    }
    if let Some(removed) = removed {
        changes.removed = read_keys(removed)?;
    }
    Ok(changes)
}

/// Reads the last commit.
pub(super) async fn last(connection: &mut PgConnection) -> Result<Head, StoreError> {
    read_head(&sqlx::query(sql::LAST_COMMIT).fetch_one(connection).await?, 0)
}

/// Reads a revision and the token after it.
fn read_head(row: &PgRow, first: usize) -> Result<Head, StoreError> {
    let revision = Revision(row.try_get(first)?);
    let id = u128::from_str_radix(&row.try_get::<&str, _>(first + 1)?.replace('-', ""), 16);
    Ok(Head { revision, id: CommitId(id.map_err(|_| damaged("an unknown token"))?) })
}

/// Reads the next commits after one: a state that everybody had, even where there are more. `None` if the
/// database does not have that commit, or if this program cannot read what comes after it.
pub(super) async fn since(
    connection: &mut PgConnection,
    head: Head,
) -> Result<Option<Vec<Changes>>, StoreError> {
    let mut rows = sqlx::query(sql::COMMITS_SINCE).bind(head.revision.0).fetch(connection);
    let Some(first) = rows.try_next().await? else { return Ok(None) };
    if read_head(&first, 0)? != head {
        return Ok(None);
    }
    let mut commits = Vec::new();
    while let Some(row) = rows.try_next().await? {
        if row.try_get::<i16, _>(5)? > FORMAT {
            return Ok(None);
        }
        commits.push(read_commit(&row, 0)?);
    }
    Ok(Some(commits))
}

fn read_keys(json: &str) -> Result<Vec<Key>, StoreError> {
    let pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> =
        serde_json::from_str(json).map_err(|error| damaged(&error.to_string()))?;
    let keys = pairs.iter().map(|(repo, server)| key(repo, server, "commits"));
    keys.collect()
}

/// Reads a pair.
pub(super) fn key(repo: &str, server: &str, table: &'static str) -> Result<Key, StoreError> {
    let damaged = |error: InvalidField| StoreError::Damaged { table, reason: error.to_string() };
    Ok(Key {
        repo: RepoName::parse(repo).map_err(damaged)?,
        server: ServerName::parse(server).map_err(damaged)?,
    })
}

fn damaged(reason: &str) -> StoreError {
    StoreError::Damaged { table: "commits", reason: reason.to_owned() }
}
