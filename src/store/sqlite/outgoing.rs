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
use super::stored_entries::{Page, read_page};
use super::{outages, wal};
use crate::domain::{Entry, Key, KeyRef, RepoName, Revision, TransitionId};
use crate::store::record::{read_entries, read_transition};
use crate::store::{Contents, Counts, OpenError, Outgoing, Record, StoreError};

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
    /// The repository of the last entry.
    repo: Option<RepoName>,
    next: Next,
    _lock: Option<Lock>,
}

/// What is read next.
enum Next {
    EntriesAfter(Option<Key>),
    TransitionsAfter(TransitionId),
    Outages,
    Nothing,
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
        repo: None,
        next: Next::EntriesAfter(None),
        _lock: lock,
    })
}

#[async_trait]
impl Outgoing for SqliteOutgoing {
    fn contents(&self) -> &Contents {
        &self.contents
    }

    async fn next(&mut self) -> Result<Vec<Record>, OpenError> {
        self.read_next().await.map_err(|unfit| unfit.at(&self.path))
    }
}

impl SqliteOutgoing {
    async fn read_next(&mut self) -> Result<Vec<Record>, Rejected> {
        loop {
            let (records, next) = match std::mem::replace(&mut self.next, Next::Nothing) {
                Next::EntriesAfter(last) => self.entries_after(last).await?,
                Next::TransitionsAfter(last) => {
                    let read = self.transitions_after(last).await;
                    read.map_err(|error| Rejected::from(error).in_the_history())?
                }
                Next::Outages => {
                    let outages = outages::read(&mut self.connection).await?;
                    (outages.into_iter().map(Record::Outage).collect(), Next::Nothing)
                }
                Next::Nothing => return Ok(Vec::new()),
            };
            self.next = next;
            if !records.is_empty() {
                return Ok(records);
            }
        }
    }

    async fn entries_after(
        &mut self,
        last: Option<Key>,
    ) -> Result<(Vec<Record>, Next), StoreError> {
        // Names are not empty, so this is before every pair.
        let after = last.as_ref().map_or(KeyRef { repo: "", server: "" }, Key::borrow);
        let Page { rows, last } = read_page(&mut self.connection, after).await?;
        let mut records = Vec::new();
        let (repo, sightings) = (self.repo.take(), &mut self.sightings);
        read_entries(&rows, repo, |entry, written| {
            let mut entry = Arc::new(entry);
            see(sightings, &mut entry, written);
            records.push(Record::Entry(entry));
        })?;
        let key = match records.last() {
            Some(Record::Entry(entry)) if last.is_some() => Some(entry.report.to_key()),
            Some(_) | None => None,
        };
        self.repo = key.as_ref().map(|key| key.repo.clone());
        let next = match key {
            Some(key) => Next::EntriesAfter(Some(key)),
            None => Next::TransitionsAfter(TransitionId::MIN),
        };
        Ok((records, next))
    }

    async fn transitions_after(
        &mut self,
        last: TransitionId,
    ) -> Result<(Vec<Record>, Next), StoreError> {
        let fitting: i64 = sqlx::query_scalar(TRANSITIONS_THAT_FIT)
            .bind(last)
            .bind(TRANSITIONS_AT_ONCE)
            .bind(FILE_BYTES_AT_ONCE)
            .fetch_one(&mut self.connection)
            .await?;
        let rows: Vec<String> = sqlx::query_scalar(TRANSITIONS_AFTER)
            .bind(last)
            .bind(fitting.max(1))
            .fetch_all(&mut self.connection)
            .await?;
        let mut next = Next::Outages;
        let mut records = Vec::with_capacity(rows.len());
        for row in rows {
            let (id, transition) = read_transition(&row)?;
            next = Next::TransitionsAfter(id);
            records.push(Record::Transition(id, Box::new(transition)));
        }
        Ok((records, next))
    }
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
