//! Fills a new database file, and puts it where an empty one is, or none.
//!
//! The file has its name only when it is complete and on disk, so a kill at any moment leaves what
//! was there. The next start or import removes the rest.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnection;
use sqlx::{ConnectOptions, Connection, Executor};

use super::file::{Lock, beside};
use super::inspect::{self, Rejected, check_header, check_no_log_alone, check_schema};
use super::open::{MIGRATOR, take_lock};
use super::schema::take_steps;
use super::sql::transition_columns;
use super::store::SqliteStore;
use super::{create, remake};
use crate::domain::{Outage, Timestamp};
use crate::store::record::entry_columns;
use crate::store::rows::MovedRows;
use crate::store::{Incoming, OpenError, Record, StoreError};

const NAME_AN_EMPTY_ONE: &str =
    "Let --database-url name a database that is empty or does not exist yet";

const HOLDS_ANYTHING: &str =
    "select exists (select 1 from entries) or exists (select 1 from transitions)";

/// An import is the first commit of its database.
const SET_META: &str = "update meta set revision = 1, restored_at = $1";

const PUT_ENTRIES: &str = concat!(
    "insert into entries (repo, server, ",
    entry_columns!(names),
    "revision) select value ->> 0, value ->> 1, ",
    entry_columns!(values),
    "1 from jsonb_each($1)"
);

const PUT_TRANSITIONS: &str = concat!(
    "insert into transitions (id, repo, server, ",
    transition_columns!(names),
    "revision) select id, value ->> 0, value ->> 1, ",
    transition_columns!(values),
    "1 from ( \
         select value ->> 0 as id, jsonb_extract(value, '$[1]') as value from jsonb_each($1) \
     )"
);

const PUT_OUTAGE: &str = "insert into outages (began, ended) values ($1, $2)";

impl SqliteStore {
    /// Begins to fill a database file that does not exist or holds nothing.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn incoming(path: &Path) -> Result<Box<dyn Incoming>, OpenError> {
        let (resolved, lock) = take_lock(path)?;
        let begun = begin(&resolved, path, lock).await;
        Ok(Box::new(begun.map_err(|unfit| unfit.at(path))?))
    }
}

/// A new file, beside the place where it goes.
struct SqliteIncoming {
    /// As it was named.
    named: PathBuf,
    path: PathBuf,
    unfinished: Unfinished,
    connection: SqliteConnection,
    _lock: Lock,
}

/// A file that is removed, unless it was put in its place.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // It takes space. If this fails, the next start tries again.
        create::remove_unfinished(&self.0).ok();
    }
}

async fn begin(path: &Path, named: &Path, lock: Lock) -> Result<SqliteIncoming, Rejected> {
    check_empty(path).await?;
    let unfinished = Unfinished(beside(path, ".new"));
    let mut connection = create::connect_to_new(&unfinished.0).await?;
    take_steps(&mut connection, &MIGRATOR, None).await?;
    connection.execute("pragma cache_size = -65536").await?;
    connection.execute("begin").await?;
    Ok(SqliteIncoming {
        named: named.to_owned(),
        path: path.to_owned(),
        unfinished,
        connection,
        _lock: lock,
    })
}

/// Makes sure that nothing would be lost.
pub(super) async fn check_empty(path: &Path) -> Result<(), Rejected> {
    if !path.try_exists()? {
        return check_no_log_alone(path);
    }
    check_header(path)?;
    let mut connection = inspect::options(path)?.connect().await?;
    check_schema(&mut connection, &MIGRATOR).await?;
    let holds_anything = sqlx::query_scalar(HOLDS_ANYTHING).fetch_one(&mut connection).await?;
    connection.close().await?;
    if holds_anything {
        return Err(Rejected::refused("it is not empty", NAME_AN_EMPTY_ONE));
    }
    Ok(())
}

#[async_trait]
impl Incoming for SqliteIncoming {
    async fn put(&mut self, records: Vec<Record>) -> Result<(), OpenError> {
        let put = put(&mut self.connection, &records).await;
        put.map_err(|error| Rejected::from(error).at(&self.named))
    }

    async fn finish(self: Box<Self>, at: Timestamp) -> Result<(), OpenError> {
        let named = self.named.clone();
        self.put_in_place(at).await.map_err(|unfit| unfit.at(&named))
    }
}

async fn put(connection: &mut SqliteConnection, records: &[Record]) -> Result<(), StoreError> {
    let MovedRows { entries, transitions, outages } = MovedRows::of(records)?;
    for (statement, rows) in [(PUT_ENTRIES, entries), (PUT_TRANSITIONS, transitions)] {
        if let Some(rows) = rows {
            sqlx::query(statement).bind(rows).execute(&mut *connection).await?;
        }
    }
    for Outage { from, to } in outages {
        let put = sqlx::query(PUT_OUTAGE).bind(from.millis()).bind(to.millis());
        put.execute(&mut *connection).await?;
    }
    Ok(())
}

impl SqliteIncoming {
    async fn put_in_place(self, at: Timestamp) -> Result<(), Rejected> {
        let Self { named: _, path, unfinished, mut connection, _lock } = self;
        sqlx::query(SET_META).bind(at.millis()).execute(&mut connection).await?;
        connection.execute("commit").await?;
        connection.close().await?;
        if path.try_exists()? {
            remake::finish(&path, &unfinished.0)?;
            remake::take_log_in(&path).await?;
            fs::rename(&unfinished.0, &path)?;
        } else {
            File::open(&unfinished.0)?.sync_all()?;
            create::rename_to_nothing(&unfinished.0, &path)?;
        }
        Ok(create::sync_folder_of(&path)?)
    }
}
