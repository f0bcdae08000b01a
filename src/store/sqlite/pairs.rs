//! Finds the pairs in the history, each by one seek however many transitions it has.

use futures_util::TryStreamExt;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use tokio::task::coop::consume_budget;

use crate::domain::{InvalidField, Key, Names, RepoName, ServerName};
use crate::store::history::{FoundPairs, Pairs};
use crate::store::{KeyPredicate, StoreError};

/// The pairs from one on, in order. Each step finds the next server of the same repository or,
/// where that is null, the next repository. SQLite does not use the index to compare both columns
/// at once.
macro_rules! pairs_from {
    ($repo:literal, $server:literal) => {
        concat!(
            "with recursive pairs (repo, server) as (select ",
            $repo,
            ", ",
            $server,
            " union all \
             select \
                 iif(server is null, ( \
                     select min(other.repo) from transitions as other \
                     where other.repo > pairs.repo \
                 ), repo), \
                 iif(server is null, '', ( \
                     select min(other.server) from transitions as other \
                     where other.repo = pairs.repo and other.server > pairs.server \
                 )) \
             from pairs where repo is not null) "
        )
    };
}
pub(super) use pairs_from;

/// Every pair.
const ALL: &str = concat!(
    pairs_from!("''", "''"),
    "select repo, server from pairs where repo is not null and server <> ''"
);

/// The pairs of some repositories.
const OF_REPOS: &str = "\
    with recursive pairs (repo, server) as ( \
        select value, '' from json_each($1) \
        union all \
        select repo, ( \
            select min(other.server) from transitions as other \
            where other.repo = pairs.repo and other.server > pairs.server \
        ) from pairs where server is not null \
    ) \
    select repo, server from pairs where server <> ''";

/// Finds the pairs that pass, of some repositories or of all.
pub(super) async fn find(
    connection: &mut SqliteConnection,
    repos: &Names,
    most: usize,
    passes: KeyPredicate<'_>,
) -> Result<Pairs, StoreError> {
    let query = match repos.exact() {
        Some(repos) => sqlx::query(OF_REPOS).bind(json(&repos)?),
        None => sqlx::query(ALL),
    };
    let mut found = FoundPairs::at_most(most);
    let mut rows = query.fetch(connection);
    while let Some(row) = rows.try_next().await? {
        // Rows are often there already, so this loop may not yield otherwise.
        consume_budget().await;
        let key = decode(&row, "transitions")?;
        if passes(key.borrow()) && found.add(key) {
            return Ok(Pairs::TooMany);
        }
    }
    Ok(found.finish())
}

/// Encodes pairs as a parameter: a JSON array of arrays.
pub(super) fn parameter<'a>(keys: impl IntoIterator<Item = &'a Key>) -> Result<String, StoreError> {
    let pairs = keys.into_iter().map(|key| (key.repo.as_str(), key.server.as_str()));
    json(&pairs.collect::<Vec<_>>())
}

/// Encodes a parameter as JSON.
pub(super) fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Unavailable(error.into()))
}

/// Decodes the pair of a row.
pub(super) fn decode(row: &SqliteRow, table: &'static str) -> Result<Key, StoreError> {
    let damaged = |error: InvalidField| StoreError::Damaged { table, reason: error.to_string() };
    Ok(Key {
        repo: RepoName::parse(row.try_get("repo")?).map_err(damaged)?,
        server: ServerName::parse(row.try_get("server")?).map_err(damaged)?,
    })
}
