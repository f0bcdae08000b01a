//! Reads everything from a PostgreSQL database, in one transaction, beside its replicas.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::migrate::Migrator;
use sqlx::{Executor, PgConnection, Row};

use super::feed;
use super::open::Unfit;
use super::records::decode;
use super::server::SessionLimits;
use super::sql::{self, transition_as_columns};
use super::store::PostgresStore;
use super::stored_entries::read_outages;
use super::target::Target;
use crate::domain::{Entry, HistoryItem, KeyRef, TransitionId};
use crate::store::record::{StoredEntry, entry_columns};
use crate::store::{Contents, Counts, OpenError, Outgoing, Record, StoreError};

/// Counting takes long, and so does the next step of what takes the records.
const LIMITS: SessionLimits = SessionLimits {
    statement: Duration::from_mins(30),
    lock: Duration::from_mins(1),
    idle_in_transaction: Duration::from_hours(1),
};

/// The most records that are read at once, and the most bytes of their files.
const AT_ONCE: i64 = 2048;
const FILE_BYTES_AT_ONCE: i64 = 1024 * 1024;

const COUNTS: &str = "select (select count(*) from entries), (select count(*) from transitions), \
     (select count(*) from outages)";

/// The last migration that the database has.
const LAST_MIGRATION: &str = "select coalesce(max(version), 0) from _sqlx_migrations where success";

/// How many of up to `$3` entries after a pair have files of at most `$4` bytes together.
const ENTRIES_THAT_FIT: &str = "select count(*) from ( \
         select sum(size) over (order by repo, server rows unbounded preceding) as total from ( \
             select repo, server, octet_length(files) as size from entries \
             where (repo, server) > ($1, $2) order by repo, server limit $3 \
         ) sized \
     ) summed where total <= $4";

/// Up to `$3` entries after a pair.
const ENTRIES_AFTER: &str = concat!(
    "select ",
    entry_columns!(quoted),
    "repo, server from entries where (repo, server) > ($1, $2) order by repo, server limit $3"
);

/// How many of up to `$2` transitions after an id have files of at most `$3` bytes together.
const TRANSITIONS_THAT_FIT: &str = "select count(*) from ( \
         select sum(size) over (order by id rows unbounded preceding) as total from ( \
             select id, octet_length(files_added) + octet_length(files_removed) as size \
             from transitions where id > $1 order by id limit $2 \
         ) sized \
     ) summed where total <= $3";

/// Up to `$2` transitions after an id.
const TRANSITIONS_AFTER: &str = concat!(
    "select ",
    transition_as_columns!(),
    " from transitions where id > $1 order by id limit $2"
);

impl PostgresStore {
    /// Begins to read everything from a database. Nothing is changed, and nobody waits for it.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn outgoing(target: Target) -> Result<Box<dyn Outgoing>, OpenError> {
        let connected = target.connect(&LIMITS).await;
        let mut connection = connected.map_err(|error| error.at_start(&target))?.connection;
        let begun = begin(&mut connection).await;
        let contents = begun.map_err(|unfit| unfit.at(&target))?;
        let next = Next::EntriesAfter(None);
        Ok(Box::new(PostgresOutgoing { database: target.to_string(), connection, contents, next }))
    }
}

/// Everything in a database, as of the beginning of a transaction.
struct PostgresOutgoing {
    database: String,
    connection: PgConnection,
    contents: Contents,
    next: Next,
}

/// What is read next.
enum Next {
    EntriesAfter(Option<Arc<Entry>>),
    TransitionsAfter(TransitionId),
    Outages,
    Nothing,
}

async fn begin(connection: &mut PgConnection) -> Result<Contents, Unfit> {
    connection.execute(sql::BEGIN_TO_READ).await?;
    let has_migrations: bool =
        sqlx::query_scalar(sql::HAS_MIGRATIONS).fetch_one(&mut *connection).await?;
    if !has_migrations {
        return Err(Unfit::Refused {
            reason: "it has nothing of this program".to_owned(),
            way_out: "Name a database that a server has used",
        });
    }
    let migrator: Migrator = sqlx::migrate!("migrations/postgres");
    let newest = migrator.iter().map(|migration| migration.version).max().unwrap_or_default();
    let found: i64 = sqlx::query_scalar(LAST_MIGRATION).fetch_one(&mut *connection).await?;
    if found != newest {
        return Err(Unfit::Refused {
            reason: "it is of another version".to_owned(),
            way_out: "Use the program that has used it last, or start this one first",
        });
    }
    connection.execute(sql::DO_NOT_SORT).await?;
    let store_id = sqlx::query_scalar(sql::STORE_ID).fetch_one(&mut *connection).await?;
    let (revision, _) = feed::last(connection).await?;
    let counts = sqlx::query(COUNTS).fetch_one(&mut *connection).await?;
    let count = |place: usize| counts.try_get::<i64, _>(place).map(i64::unsigned_abs);
    let counts = Counts { entries: count(0)?, transitions: count(1)?, outages: count(2)? };
    Ok(Contents { store_id, revision, counts })
}

#[async_trait]
impl Outgoing for PostgresOutgoing {
    fn contents(&self) -> &Contents {
        &self.contents
    }

    async fn next(&mut self) -> Result<Vec<Record>, OpenError> {
        self.read_next().await.map_err(|error| Unfit::from(error).at(&self.database))
    }
}

impl PostgresOutgoing {
    async fn read_next(&mut self) -> Result<Vec<Record>, StoreError> {
        loop {
            let (records, next) = match std::mem::replace(&mut self.next, Next::Nothing) {
                Next::EntriesAfter(last) => self.entries_after(last).await?,
                Next::TransitionsAfter(last) => self.transitions_after(last).await?,
                Next::Outages => {
                    let outages = read_outages(&mut self.connection).await?;
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
        mut last: Option<Arc<Entry>>,
    ) -> Result<(Vec<Record>, Next), StoreError> {
        // Names are not empty, so this is before every pair.
        let key = last.as_ref().map_or(KeyRef { repo: "", server: "" }, |entry| entry.key());
        let fitting: i64 = sqlx::query_scalar(ENTRIES_THAT_FIT)
            .bind(key.repo)
            .bind(key.server)
            .bind(AT_ONCE)
            .bind(FILE_BYTES_AT_ONCE)
            .fetch_one(&mut self.connection)
            .await?;
        let rows = sqlx::query(ENTRIES_AFTER)
            .bind(key.repo)
            .bind(key.server)
            .bind(fitting.max(1))
            .fetch_all(&mut self.connection)
            .await?;
        let mut next = Next::TransitionsAfter(TransitionId::MIN);
        let mut records = Vec::with_capacity(rows.len());
        for row in rows {
            let entry = StoredEntry::of_columns(&row, 0)?.beside(last.as_deref())?;
            let entry = Arc::new(entry);
            last = Some(Arc::clone(&entry));
            records.push(Record::Entry(entry));
        }
        if !records.is_empty() {
            next = Next::EntriesAfter(last);
        }
        Ok((records, next))
    }

    async fn transitions_after(
        &mut self,
        last: TransitionId,
    ) -> Result<(Vec<Record>, Next), StoreError> {
        let fitting: i64 = sqlx::query_scalar(TRANSITIONS_THAT_FIT)
            .bind(last)
            .bind(AT_ONCE)
            .bind(FILE_BYTES_AT_ONCE)
            .fetch_one(&mut self.connection)
            .await?;
        let rows = sqlx::query(TRANSITIONS_AFTER)
            .bind(last)
            .bind(fitting.max(1))
            .fetch_all(&mut self.connection)
            .await?;
        let mut next = Next::Outages;
        let mut records = Vec::with_capacity(rows.len());
        for row in rows {
            let HistoryItem { cursor, transition } = decode(&row)?;
            next = Next::TransitionsAfter(cursor.id);
            records.push(Record::Transition(cursor.id, Box::new(transition)));
        }
        Ok((records, next))
    }
}
