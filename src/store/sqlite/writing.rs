//! The writing connection: lends it to one caller at a time, and replaces it after a failure.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection as _, Executor as _};

use super::aside::{self, aside};
use super::file::DatabaseFile;
use super::sightings::Sightings;
use super::store::SqliteStore;
use super::stored_entries::{Unfolded, read_unfolded};
use super::{connection, result_code as code, sql, upkeep};
use crate::domain::Revision;
use crate::store::StoreError;

/// The writing connection, and the log of sightings as of the confirmed revision.
#[derive(Debug)]
pub(super) struct Writing {
    pub(super) connection: WriteConnection,
    pub(super) sightings: Sightings,
}

/// The writing connection, or the place where the next one goes.
#[derive(Debug)]
pub(super) enum WriteConnection {
    Open(SqliteConnection),
    /// It is in use, or was closed after an error. Unless `is_log_synced`, the disk may lack some of the
    /// log.
    Broken {
        is_log_synced: bool,
    },
    Closed,
}

impl SqliteStore {
    /// Takes the connection, or opens a new one if the last one was closed.
    pub(super) async fn take(&self, writing: &mut Writing) -> Result<SqliteConnection, StoreError> {
        // The caller may be dropped together with it.
        let in_doubt = WriteConnection::Broken { is_log_synced: false };
        match std::mem::replace(&mut writing.connection, in_doubt) {
            WriteConnection::Open(connection) => Ok(connection),
            WriteConnection::Broken { is_log_synced } => {
                let opened = self.reconnect(&mut writing.sightings, is_log_synced).await;
                if opened.is_err() {
                    // One that was lent until now may still have the files of before.
                    self.readers.close_idle().await;
                    writing.connection = WriteConnection::Broken { is_log_synced };
                }
                opened
            }
            WriteConnection::Closed => {
                writing.connection = WriteConnection::Closed;
                Err(StoreError::Closed)
            }
        }
    }

    async fn reconnect(
        &self,
        sightings: &mut Sightings,
        is_log_synced: bool,
    ) -> Result<SqliteConnection, StoreError> {
        self.file.ask(DatabaseFile::check).await?;
        let (file, store_id) = (Arc::clone(&self.file), self.store_id.clone());
        let confirmed = self.confirmed.load(Ordering::Relaxed);
        let opened = aside(async move {
            let held = connection::hold(&file).await?;
            let opened = open_anew(&file, &store_id, confirmed, is_log_synced).await;
            held.close().await.ok();
            opened
        });
        // The log of a connection that is not used may be removed with it.
        let opened = opened.await.inspect_err(|_| self.file.forget_log());
        let (connection, found, unfolded) = opened?;
        if let Some(unfolded) = unfolded {
            let entries = self.entries.load(Ordering::Relaxed);
            *sightings = Sightings::of_log(entries, unfolded, Revision(found));
            self.confirmed.store(found, Ordering::Relaxed);
        }
        Ok(connection)
    }

    /// Keeps a connection after a success, if its files are still where they were opened.
    pub(super) async fn give_back<T>(
        &self,
        writing: &mut Writing,
        connection: SqliteConnection,
        outcome: Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        // Checked after the answer: a file that is gone now may have been gone before.
        let outcome = match outcome {
            Ok(value) => self.file.ask(DatabaseFile::check).await.map(|()| value),
            Err(error) => Err(error),
        };
        self.keep(writing, connection, outcome).await
    }

    /// Keeps a connection after a success, and closes it after an error.
    async fn keep<T>(
        &self,
        writing: &mut Writing,
        connection: SqliteConnection,
        outcome: Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match outcome {
            Ok(value) => {
                writing.connection = WriteConnection::Open(connection);
                self.bound_log();
                Ok(value)
            }
            Err(error) => {
                let is_log_synced = is_log_synced_after(&error);
                Err(self.discard(writing, connection, is_log_synced).await.unwrap_or(error))
            }
        }
    }

    /// Closes a connection that has failed. Returns the error of its files, if they have one.
    pub(super) async fn discard(
        &self,
        writing: &mut Writing,
        mut connection: SqliteConnection,
        is_log_synced: bool,
    ) -> Option<StoreError> {
        writing.connection = WriteConnection::Broken { is_log_synced };
        self.stop_bounding_log();
        let lost = self.file.ask(DatabaseFile::check).await.err();
        // The last to close copies the log into the database, and those that only read may not.
        self.readers.close_idle().await;
        if lost.is_some() {
            // If somebody has removed the log, this is the last moment to copy it.
            self.readers.gate.clear();
            connection.execute(sql::COPY_LOG).await.ok();
        }
        // An error of closing makes no difference: the connection is not used again. Its log may be
        // removed with it.
        aside::close(connection).await.ok();
        self.file.forget_log();
        lost
    }
}

/// Opens a connection that may confirm updates. Returns the revision, and the log of sightings if the
/// revision is above the confirmed one.
async fn open_anew(
    file: &Arc<DatabaseFile>,
    store_id: &str,
    confirmed: i64,
    is_log_synced: bool,
) -> Result<(SqliteConnection, i64, Option<Unfolded>), StoreError> {
    let mut connection = connection::connect(file).await?;
    let ready = async {
        let (found_id, found): (String, i64) =
            sqlx::query_as(sql::META).fetch_one(&mut connection).await?;
        if found_id != store_id {
            return Err(StoreError::Displaced);
        }
        if found < confirmed {
            return Err(StoreError::WentBack { confirmed, found });
        }
        // While another program keeps the log, it may be far larger than the room that is left.
        if !is_log_synced || found > confirmed {
            upkeep::renew_log(file, &mut connection).await?;
        }
        // At the confirmed revision the log is as it is known. This reads the rows of all logged
        // entries, and a lost page among them would keep everything from being stored.
        let is_known = found == confirmed;
        let unfolded =
            if is_known { None } else { Some(read_unfolded(&mut connection, Revision(0)).await?) };
        Ok((found, unfolded))
    };
    match ready.await {
        Ok((found, unfolded)) => Ok((connection, found, unfolded)),
        Err(error) => {
            connection.close().await.ok();
            Err(error)
        }
    }
}

/// Whether all of the log is known to be on disk after an error.
fn is_log_synced_after(error: &StoreError) -> bool {
    let StoreError::Unavailable(cause) = error else { return false };
    cause.downcast_ref().is_some_and(|error| !code::may_be_unsynced(error))
}
