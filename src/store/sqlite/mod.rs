//! A store in a SQLite file.
//!
//! One connection writes. After any error it is dropped and a new one is opened, since what an
//! error has left behind in a connection is not known; see `docs/decisions/0002-commits.md`.

mod create;
mod file;
mod inspect;
mod open;
mod rows;
mod sql;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use futures_util::TryStreamExt;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Row};
use tokio::sync::Mutex;

use self::file::{DatabaseFile, Lock};
use super::{Batch, CommitError, Loaded, Store, StoreError};
use crate::domain::{Changes, Entry, Key, RepoName, Revision, ServerName};

/// How many revisions back the database can tell what was removed.
pub(super) const TOMBSTONES_KEPT: i64 = 10_000;

/// A SQLite file that this process has for itself.
#[derive(Debug)]
pub struct SqliteStore {
    file: DatabaseFile,
    connection: Mutex<Slot>,
    /// The last revision that a commit confirmed or a load found.
    confirmed: AtomicI64,
    /// What the look at the file found, until somebody asks for it.
    preloaded: Mutex<Option<Loaded>>,
    _lock: Lock,
}

/// The writing connection, or the place where the next one goes.
#[derive(Debug)]
enum Slot {
    Open(SqliteConnection),
    Broken,
    Closed,
}

impl SqliteStore {
    /// Returns the connection out of its slot, or a new one if the last one was dropped.
    async fn take(&self, slot: &mut Slot) -> Result<SqliteConnection, StoreError> {
        match std::mem::replace(slot, Slot::Broken) {
            Slot::Open(connection) => Ok(connection),
            Slot::Broken => self.reconnect().await,
            Slot::Closed => {
                *slot = Slot::Closed;
                Err(StoreError::Closed)
            }
        }
    }

    async fn reconnect(&self) -> Result<SqliteConnection, StoreError> {
        self.file.check()?;
        let mut connection = open::connect(&self.file).await?;
        let found = read_revision(&mut connection).await?.0;
        let confirmed = self.confirmed.load(Ordering::Relaxed);
        if found < confirmed {
            return Err(StoreError::WentBack { confirmed, found });
        }
        Ok(connection)
    }

    /// Keeps a connection that has worked; drops one that hasn't.
    async fn give_back<T>(
        &self,
        slot: &mut Slot,
        connection: SqliteConnection,
        outcome: Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        // Checked after the fact: a file that is gone now may have been gone before.
        let outcome = outcome.and_then(|value| self.file.check().map(|()| value));
        match outcome {
            Ok(value) => {
                *slot = Slot::Open(connection);
                Ok(value)
            }
            Err(error) => {
                // Whether closing works makes no difference: the connection is not used again, and
                // the log that it wrote may go with it.
                connection.close().await.ok();
                self.file.forget_log();
                Err(error)
            }
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn load(&self) -> Result<Loaded, StoreError> {
        let mut slot = self.connection.lock().await;
        if let Some(loaded) = self.preloaded.lock().await.take() {
            return Ok(loaded);
        }
        let mut connection = self.take(&mut slot).await?;
        let outcome = read_all(&mut connection).await;
        let loaded = self.give_back(&mut slot, connection, outcome).await?;
        self.confirmed.store(loaded.revision.0, Ordering::Relaxed);
        Ok(loaded)
    }

    async fn commit(&self, expected: Revision, batch: &Batch) -> Result<(), CommitError> {
        let mut slot = self.connection.lock().await;
        self.preloaded.lock().await.take();
        let mut connection = self.take(&mut slot).await?;
        let outcome = write(&mut connection, expected, batch).await;
        if let Err(error) = &outcome
            && sql::is_moved(error)
        {
            // The statement was rolled back as a whole; the connection is as good as before.
            *slot = Slot::Open(connection);
            return Err(CommitError::Moved);
        }
        let outcome = outcome.map_err(StoreError::from);
        self.give_back(&mut slot, connection, outcome).await?;
        self.confirmed.store(expected.next().0, Ordering::Relaxed);
        Ok(())
    }

    async fn changes_since(&self, revision: Revision) -> Result<Option<Changes>, StoreError> {
        let mut slot = self.connection.lock().await;
        let mut connection = self.take(&mut slot).await?;
        let outcome = read_changes(&mut connection, revision).await;
        self.give_back(&mut slot, connection, outcome).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.file.check()
    }

    async fn close(&self) {
        let mut slot = self.connection.lock().await;
        if let Slot::Open(connection) = std::mem::replace(&mut *slot, Slot::Closed)
            && let Err(error) = connection.close().await
        {
            log::warn!("The database was not closed cleanly, which loses nothing: {error}");
        }
    }
}

async fn write(
    connection: &mut SqliteConnection,
    expected: Revision,
    batch: &Batch,
) -> Result<(), sqlx::Error> {
    let parameters = rows::encode(batch).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    sqlx::query(sql::COMMIT)
        .bind(expected.0)
        .bind(parameters.put)
        .bind(parameters.removed)
        .bind(parameters.transitions)
        .execute(connection)
        .await?;
    Ok(())
}

async fn read_revision(connection: &mut SqliteConnection) -> Result<Revision, sqlx::Error> {
    sqlx::query_scalar(sql::REVISION).fetch_one(connection).await.map(Revision)
}

async fn read_all(connection: &mut SqliteConnection) -> Result<Loaded, StoreError> {
    let meta = sqlx::query(sql::META).fetch_one(&mut *connection).await?;
    let store_id = meta.try_get("store_id")?;
    let revision = Revision(meta.try_get("revision")?);
    let mut entries: Vec<Arc<Entry>> = Vec::new();
    let mut found = sqlx::query(sql::ALL_ENTRIES).fetch(connection);
    while let Some(row) = found.try_next().await? {
        let mut entry = rows::decode(&row)?;
        if let Some(last) = entries.last().filter(|last| last.report.repo == entry.report.repo) {
            // Neighbours share the name of their repository, as they do while updates arrive.
            entry.report.repo = last.report.repo.clone();
        }
        entries.push(Arc::new(entry));
    }
    Ok(Loaded { store_id, revision, entries })
}

async fn read_changes(
    connection: &mut SqliteConnection,
    since: Revision,
) -> Result<Option<Changes>, StoreError> {
    let revision = read_revision(&mut *connection).await?;
    if revision.0 - since.0 > TOMBSTONES_KEPT {
        return Ok(None);
    }
    let put = sqlx::query(sql::ENTRIES_SINCE).bind(since.0).fetch_all(&mut *connection).await?;
    let put = put.iter().map(|row| rows::decode(row).map(Arc::new)).collect::<Result<_, _>>()?;
    let gone = sqlx::query(sql::REMOVED_SINCE).bind(since.0).fetch_all(connection).await?;
    let removed = gone.iter().map(decode_key).collect::<Result<_, _>>()?;
    Ok(Some(Changes { revision, put, removed }))
}

fn decode_key(row: &sqlx::sqlite::SqliteRow) -> Result<Key, StoreError> {
    let damaged = |error: crate::domain::InvalidField| StoreError::Damaged {
        table: "tombstones",
        reason: error.to_string(),
    };
    Ok(Key {
        repo: RepoName::parse(row.try_get("repo")?).map_err(damaged)?,
        server: ServerName::parse(row.try_get("server")?).map_err(damaged)?,
    })
}
