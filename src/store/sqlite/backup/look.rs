//! Looks through all of a database that no server has open, without changing it.

use std::path::Path;

use futures_util::TryStreamExt;
use sqlx::sqlite::SqliteConnection;
use sqlx::{ConnectOptions, Connection};

use crate::domain::Timestamp;
use crate::store::sqlite::file::beside;
use crate::store::sqlite::inspect::{
    self, Rejected, Schema, check_header, check_pages, check_schema, check_table,
};
use crate::store::sqlite::open::{MIGRATOR, take_lock};
use crate::store::sqlite::remake::{HISTORY, is_sound};
use crate::store::sqlite::store::SqliteStore;
use crate::store::sqlite::stored_entries::read_all;
use crate::store::sqlite::{records, sql, wal};
use crate::store::{OpenError, StoreError};

const REPAIR: &str = "Run `gitops-status-server repair` with --database-url naming this file: it keeps \
     the file under another name and makes a sound one of what is sound in it";
const START: &str = "Start the server, which says what is lost, and stop it";

const HAS_HISTORY: &str =
    "select exists (select 1 from sqlite_schema where type = 'table' and name = 'transitions')";

/// What a sound database holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Holding {
    /// Which store it is.
    pub store_id: String,
    /// The revision of its last commit.
    pub revision: i64,
    /// Whether an older version of the program has made it. A start brings it up to date.
    pub is_older: bool,
    /// The number of its entries.
    pub entries: i64,
    /// The number of its transitions.
    pub transitions: i64,
    /// When its last update came; `None` if it is of an older version, or has no entries.
    pub last_update: Option<Timestamp>,
}

impl SqliteStore {
    /// Looks through all of a database or of a backup.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn look_through(path: &Path) -> Result<Holding, OpenError> {
        // A backup has no log, and may lie where nothing can be written.
        let has_log = beside(path, "-wal").exists();
        let locked = if has_log { Some(take_lock(path)?) } else { None };
        let place = locked.as_ref().map_or(path, |(resolved, _)| resolved);
        let found = look_through(place).await;
        found.map_err(|unfit| unfit.at(path))
    }
}

async fn look_through(path: &Path) -> Result<Holding, Rejected> {
    if !path.try_exists()? {
        return Err(Rejected::Unreadable("there is no such file".into()));
    }
    check_header(path)?;
    let lost = wal::lost_commits(path)?;
    if lost > 0 {
        let reason = format!("its log is damaged, and up to {lost} commits are lost");
        return Err(Rejected::refused(reason, START));
    }
    let mut connection = inspect::options(path)?.connect().await?;
    let found = look(&mut connection).await;
    connection.close().await?;
    found
}

/// Checks every page, index and row, and says what there is.
pub(super) async fn look(connection: &mut SqliteConnection) -> Result<Holding, Rejected> {
    let schema = check_schema(connection, &MIGRATOR).await?;
    if !is_sound(connection).await {
        // The parts that are damaged differ in what can be done about them.
        check_pages(connection).await?;
        check_table(connection, "transitions").await?;
        return Err(Rejected::refused("its indexes do not fit its history", REPAIR));
    }
    let last_update = match schema {
        Schema::Current => {
            let entries = read_all(connection).await?.loaded.entries;
            read_history(connection)
                .await
                .map_err(|error| Rejected::from(error).in_the_history())?;
            entries.iter().map(|entry| entry.updated_at).max()
        }
        Schema::Older => None,
    };
    let (store_id, revision) = sqlx::query_as(sql::META).fetch_one(&mut *connection).await?;
    let count = |sql: &'static str| sqlx::query_scalar::<_, i64>(sql);
    let entries = count("select count(*) from entries").fetch_one(&mut *connection).await?;
    let has_history: bool = sqlx::query_scalar(HAS_HISTORY).fetch_one(&mut *connection).await?;
    let transitions = if has_history {
        count("select count(*) from transitions").fetch_one(connection).await?
    } else {
        0
    };
    let is_older = schema == Schema::Older;
    Ok(Holding { store_id, revision, is_older, entries, transitions, last_update })
}

async fn read_history(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let mut rows = sqlx::query(HISTORY).fetch(connection);
    while let Some(row) = rows.try_next().await? {
        records::decode(&row)?;
    }
    Ok(())
}
