//! Reads everything from a database file, in one transaction.
//!
//! Without a server, the lock keeps one from starting meanwhile. Beside a server, the transaction
//! reads one state of the write-ahead log, which cannot begin anew until the end.

use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::vec;

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Executor, Row};

use super::file::Lock;
use super::inspect::{self, Rejected, Schema, check_header, check_pages, check_schema};
use super::open::{MIGRATOR, resolve, take_lock};
use super::sighting_log::{self, Sighted};
use super::sql::{self, transition_as_json};
use super::store::SqliteStore;
use super::stored_entries::read_page;
use super::{outages, wal};
use crate::domain::{Entry, KeyRef, Outage, Revision, Transition, TransitionId};
use crate::store::record::{read_entries, read_transition};
use crate::store::{Contents, Counts, OpenError, Outgoing, StoreError};

const COUNTS: &str = "select (select count(*) from entries) as entries, \
     (select count(*) from transitions) as transitions, \
     (select count(*) from outages) as outages";

/// The most transitions that are read at once, and the most bytes of their files.
const TRANSITIONS_AT_ONCE: i64 = 2048;
const FILE_BYTES_AT_ONCE: i64 = 1024 * 1024;

/// How many of up to `$2` transitions after an id have files of at most `$3` bytes together.
const TRANSITIONS_THAT_FIT: &str = "select count(*) from ( \
         select sum(size) over (order by id rows unbounded preceding) as total from ( \
             select id, octet_length(files_added) + octet_length(files_removed) as size \
             from transitions not indexed where id > $1 order by id limit $2 \
         ) \
     ) where total <= $3";

/// Up to `$2` transitions after an id. Without an index: those can be damaged by themselves.
const TRANSITIONS_AFTER: &str = concat!(
    "select ",
    transition_as_json!(),
    " as transition from transitions not indexed where id > $1 order by id limit $2"
);

impl SqliteStore {
    /// Begins to read everything from a database file, beside a server that has it open or without
    /// one. Nothing is changed.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn outgoing(path: &Path) -> Result<Box<dyn Outgoing>, OpenError> {
        let begun = match take_lock(path) {
            Ok((resolved, lock)) => begin(&resolved, path, Some(lock)).await,
            Err(OpenError::InUse(_)) => match resolve(path) {
                Ok(resolved) => begin(&resolved, path, None).await,
                Err(error) => Err(error.into()),
            },
            Err(error) => return Err(error),
        };
        Ok(Box::new(begun.map_err(|unfit| unfit.at(path))?))
    }
}

/// Everything in a database file, as of the beginning of a transaction.
struct SqliteOutgoing {
    /// As it was named.
    path: PathBuf,
    connection: SqliteConnection,
    contents: Contents,
    /// What the log says of entries, in the order of their keys.
    sightings: Peekable<vec::IntoIter<Sighted>>,
    _lock: Option<Lock>,
}

async fn begin(path: &Path, named: &Path, lock: Option<Lock>) -> Result<SqliteOutgoing, Rejected> {
    if !path.try_exists()? {
        return Err(Rejected::Unreadable("there is no such file".into()));
    }
    check_header(path)?;
    let options = if lock.is_some() {
        if wal::lost_commits(path)? > 0 {
            let reason = "its log is damaged: start the server, which says what is lost";
            return Err(Rejected::Unreadable(reason.into()));
        }
        inspect::options(path)?
    } else {
        SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .pragma("cell_size_check", "on")
            .disable_statement_logging()
    };
    let options = options.pragma("trusted_schema", "off").pragma("temp_store", "memory");
    let mut connection = options.connect().await?;
    connection.execute("begin").await?;
    if matches!(check_schema(&mut connection, &MIGRATOR).await?, Schema::Older) {
        let reason = "it is of an older version: start the server, which brings it up to date";
        return Err(Rejected::Unreadable(reason.into()));
    }
    check_pages(&mut connection).await?;
    let meta = sqlx::query(sql::META).fetch_one(&mut connection).await?;
    let counts = sqlx::query(COUNTS).fetch_one(&mut connection).await?;
    let count = |name: &str| counts.try_get::<i64, _>(name).map(i64::unsigned_abs);
    let contents = Contents {
        store_id: meta.try_get("store_id")?,
        revision: Revision(meta.try_get("revision")?),
        counts: Counts {
            entries: count("entries")?,
            transitions: count("transitions")?,
            outages: count("outages")?,
        },
    };
    let log = sighting_log::read(&mut connection, Revision(0)).await?;
    Ok(SqliteOutgoing {
        path: named.to_owned(),
        connection,
        contents,
        sightings: log.latest.into_iter().peekable(),
        _lock: lock,
    })
}

#[async_trait]
impl Outgoing for SqliteOutgoing {
    fn contents(&self) -> &Contents {
        &self.contents
    }

    async fn entries_after(&mut self, last: Option<&Entry>) -> Result<Vec<Arc<Entry>>, OpenError> {
        let entries = self.read_entries(last).await;
        entries.map_err(|error| Rejected::from(error).at(&self.path))
    }

    async fn transitions_after(
        &mut self,
        last: TransitionId,
    ) -> Result<Vec<(TransitionId, Transition)>, OpenError> {
        let transitions = read_transitions(&mut self.connection, last).await;
        transitions.map_err(|error| Rejected::from(error).in_the_history().at(&self.path))
    }

    async fn outages(&mut self) -> Result<Vec<Outage>, OpenError> {
        let outages = outages::read(&mut self.connection).await;
        outages.map_err(|error| Rejected::from(error).at(&self.path))
    }
}

impl SqliteOutgoing {
    async fn read_entries(&mut self, last: Option<&Entry>) -> Result<Vec<Arc<Entry>>, StoreError> {
        // Names are not empty, so this is before every pair.
        let after = last.map_or(KeyRef { repo: "", server: "" }, Entry::key);
        let repo = last.map(|entry| entry.report.repo.clone());
        let page = read_page(&mut self.connection, after).await?;
        let mut entries = Vec::new();
        read_entries(&page.rows, repo, |entry, written| {
            let mut entry = Arc::new(entry);
            see(&mut self.sightings, &mut entry, written);
            entries.push(entry);
        })?;
        Ok(entries)
    }
}

async fn read_transitions(
    connection: &mut SqliteConnection,
    last: TransitionId,
) -> Result<Vec<(TransitionId, Transition)>, StoreError> {
    let fitting: i64 = sqlx::query_scalar(TRANSITIONS_THAT_FIT)
        .bind(last)
        .bind(TRANSITIONS_AT_ONCE)
        .bind(FILE_BYTES_AT_ONCE)
        .fetch_one(&mut *connection)
        .await?;
    let rows: Vec<String> = sqlx::query_scalar(TRANSITIONS_AFTER)
        .bind(last)
        .bind(fitting.max(1))
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| read_transition(row)).collect()
}

/// Gives an entry the times of its last sighting, if that is later than its row.
fn see(
    sightings: &mut Peekable<vec::IntoIter<Sighted>>,
    entry: &mut Arc<Entry>,
    written: Revision,
) {
    while sightings.next_if(|sighted| sighted.key().borrow() < entry.key()).is_some() {}
    let sighted = sightings.next_if(|sighted| sighted.key().borrow() == entry.key());
    if let Some(sighted) = sighted.filter(|sighted| sighted.revision > written) {
        sighted.sighting.note_in(entry);
    }
}
