//! Reads everything from a PostgreSQL database, in one transaction, beside its replicas.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{Executor, PgConnection, Row};

use super::feed;
use super::line::within;
use super::open::{Rejected, newest_migration};
use super::records::decode;
use super::server::SessionLimits;
use super::sql;
use super::store::PostgresStore;
use super::stored_entries::read_outages;
use super::target::Target;
use crate::domain::{Entry, HistoryItem, KeyRef, Outage, Transition, TransitionId};
use crate::store::record::StoredEntry;
use crate::store::{Contents, Counts, OpenError, Outgoing, StoreError};

/// The most records that are read at once, and the bytes of files after which a piece ends.
const AT_ONCE: i64 = 2048;
const FILE_BYTES_AT_ONCE: i64 = 1024 * 1024;

const COUNTS: &str = "select (select count(*) from entries), (select count(*) from transitions), \
     (select count(*) from outages)";

/// The last migration that the database has.
const LAST_MIGRATION: &str = "select coalesce(max(version), 0) from _sqlx_migrations where success";

impl PostgresStore {
    /// Begins to read everything from a database. Nothing is changed, and nobody waits for it.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn outgoing(target: Target) -> Result<Box<dyn Outgoing>, OpenError> {
        let limits = SessionLimits::OF_A_MOVE;
        let connected = target.connect_first(&limits).await;
        let mut connection = connected.map_err(|error| error.at_start(&target))?.connection;
        let begun = within(&limits, begin(&mut connection)).await;
        let contents = begun.map_err(|rejected| rejected.at(&target))?;
        Ok(Box::new(PostgresOutgoing { database: target.to_string(), connection, contents }))
    }
}

/// Everything in a database, as of the beginning of a transaction.
struct PostgresOutgoing {
    database: String,
    connection: PgConnection,
    contents: Contents,
}

async fn begin(connection: &mut PgConnection) -> Result<Contents, Rejected> {
    connection.execute(sql::BEGIN_TO_READ).await?;
    let has_migrations: bool =
        sqlx::query_scalar(sql::HAS_MIGRATIONS).fetch_one(&mut *connection).await?;
    if !has_migrations {
        return Err(Rejected::Refused {
            reason: "it has nothing of this program".to_owned(),
            way_out: "Name a database that a server has used",
        });
    }
    let found: i64 = sqlx::query_scalar(LAST_MIGRATION).fetch_one(&mut *connection).await?;
    if found != newest_migration() {
        return Err(Rejected::Refused {
            reason: "it is of another version".to_owned(),
            way_out: "Use the program that has used it last, or start this one first",
        });
    }
    connection.execute(sql::DO_NOT_SORT).await?;
    let store_id = sqlx::query_scalar(sql::STORE_ID).fetch_one(&mut *connection).await?;
    let revision = feed::last(connection).await?.revision;
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

    async fn entries_after(&mut self, last: Option<&Entry>) -> Result<Vec<Arc<Entry>>, OpenError> {
        let entries = read_entries(&mut self.connection, last);
        let entries = within(&SessionLimits::OF_A_MOVE, entries).await;
        entries.map_err(|error| Rejected::from(error).at(&self.database))
    }

    async fn transitions_after(
        &mut self,
        last: TransitionId,
    ) -> Result<Vec<(TransitionId, Transition)>, OpenError> {
        let transitions = read_transitions(&mut self.connection, last);
        let transitions = within(&SessionLimits::OF_A_MOVE, transitions).await;
        transitions.map_err(|error| Rejected::from(error).at(&self.database))
    }

    async fn outages(&mut self) -> Result<Vec<Outage>, OpenError> {
        let outages = within(&SessionLimits::OF_A_MOVE, read_outages(&mut self.connection)).await;
        outages.map_err(|error| Rejected::from(error).at(&self.database))
    }
}

async fn read_entries(
    connection: &mut PgConnection,
    last: Option<&Entry>,
) -> Result<Vec<Arc<Entry>>, StoreError> {
    // Names are not empty, so this is before every pair.
    let KeyRef { repo, server } = last.map_or(KeyRef { repo: "", server: "" }, Entry::key);
    let question = sqlx::query(sql::ENTRIES_AFTER).bind(repo).bind(server);
    let rows = question.bind(AT_ONCE).bind(FILE_BYTES_AT_ONCE).fetch_all(connection).await?;
    let mut entries: Vec<Arc<Entry>> = Vec::with_capacity(rows.len());
    for row in rows {
        let beside = entries.last().map(|entry| &**entry).or(last);
        entries.push(Arc::new(StoredEntry::of_columns(&row, 0)?.beside(beside)?));
    }
    Ok(entries)
}

async fn read_transitions(
    connection: &mut PgConnection,
    last: TransitionId,
) -> Result<Vec<(TransitionId, Transition)>, StoreError> {
    let question = sqlx::query(sql::HISTORY_AFTER).bind(last).bind(AT_ONCE);
    let rows = question.bind(FILE_BYTES_AT_ONCE).fetch_all(connection).await?;
    let transition = |row: &PgRow| {
        let HistoryItem { cursor, transition } = decode(row)?;
        Ok((cursor.id, transition))
    };
    rows.iter().map(transition).collect()
}
