//! Fills an empty PostgreSQL database, in one transaction.

use async_trait::async_trait;
use sqlx::{Executor, PgConnection};

use super::line::within;
use super::open::{Rejected, prepare};
use super::server::SessionLimits;
use super::sql;
use super::store::PostgresStore;
use super::target::Target;
use crate::domain::{Outage, Timestamp};
use crate::store::record::{entry_columns, transition_columns};
use crate::store::rows::MovedRows;
use crate::store::{Incoming, OpenError, Record, StoreError};

/// Keeps replicas from starting until the end: each of them reads this table first.
const KEEP_OTHERS_OUT: &str = "lock table meta in access exclusive mode";

/// Whether a replica runs, by what it said within a minute.
const IS_IN_USE: &str = "select exists ( \
         select from replicas where seen_at > clock_timestamp() - interval '1 minute' \
     )";
const HOLDS_ANYTHING: &str =
    "select exists (select from entries) or exists (select from transitions)";

/// Puts rows, a JSON array `$1` of arrays. `$2` names their places. Types are those of the table.
const PUT_ENTRIES: &str = concat!(
    "insert into entries (",
    entry_columns!(quoted),
    "repo, server) select ",
    entry_columns!(quoted),
    "repo, server from jsonb_array_elements($1::text::jsonb) as v, jsonb_populate_record( \
         null::entries, jsonb_object($2, array(select jsonb_array_elements_text(v))) \
     )"
);

/// The same for transitions, each with its id in front.
const PUT_TRANSITIONS: &str = concat!(
    "insert into transitions (id, ",
    transition_columns!(quoted),
    "repo, server) select given, ",
    transition_columns!(quoted),
    "repo, server from ( \
         select (v ->> 0)::bigint as given, v -> 1 as fields \
         from jsonb_array_elements($1::text::jsonb) as v \
     ) as given_rows, jsonb_populate_record( \
         null::transitions, jsonb_object($2, array(select jsonb_array_elements_text(fields))) \
     )"
);

const PUT_OUTAGES: &str = "insert into outages (began, ended) select * from unnest($1, $2)";

/// The import is a commit, and the first one: none before it can be gone on from. The next
/// transition has the next id.
const FINISH: [&str; 3] = [
    "insert into commits (revision, token, format, keys, grown_entries, grown_bytes) \
     select max(revision) + 1, gen_random_uuid(), 1, '{}', 0, 0 from commits",
    "delete from commits where revision < (select max(revision) from commits)",
    "select setval( \
         pg_get_serial_sequence('transitions', 'id'), coalesce(max(id), 1), max(id) is not null \
     ) from transitions",
];

const SET_META: &str =
    "update meta set store_id = replace(gen_random_uuid()::text, '-', ''), restored_at = $1";

impl PostgresStore {
    /// Begins to fill a database that holds nothing and that no replica has open.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn incoming(target: Target) -> Result<Box<dyn Incoming>, OpenError> {
        let limits = SessionLimits::OF_A_MOVE;
        let connected = target.connect_first(&limits).await;
        let mut connection = connected.map_err(|error| error.at_start(&target))?.connection;
        let begun = within(&limits, begin(&mut connection)).await;
        match begun.map_err(|rejected| rejected.at(&target))? {
            Begun::InUse => Err(OpenError::InUse(target.to_string())),
            Begun::Empty => {
                Ok(Box::new(PostgresIncoming { database: target.to_string(), connection }))
            }
        }
    }
}

/// An empty database, within a transaction. Dropping it undoes everything.
struct PostgresIncoming {
    database: String,
    connection: PgConnection,
}

enum Begun {
    Empty,
    InUse,
}

async fn begin(connection: &mut PgConnection) -> Result<Begun, Rejected> {
    prepare(&mut *connection).await?;
    connection.execute("begin isolation level read committed").await?;
    connection.execute(KEEP_OTHERS_OUT).await?;
    connection.execute(sql::HOLD_COMMITS).await?;
    if sqlx::query_scalar(IS_IN_USE).fetch_one(&mut *connection).await? {
        return Ok(Begun::InUse);
    }
    if sqlx::query_scalar(HOLDS_ANYTHING).fetch_one(&mut *connection).await? {
        return Err(Rejected::Refused {
            reason: "it is not empty".to_owned(),
            way_out: "Let --database-url name a database that is empty",
        });
    }
    connection.execute("delete from outages").await?;
    Ok(Begun::Empty)
}

#[async_trait]
impl Incoming for PostgresIncoming {
    async fn put(&mut self, records: Vec<Record>) -> Result<(), OpenError> {
        let put = within(&SessionLimits::OF_A_MOVE, put(&mut self.connection, &records)).await;
        put.map_err(|error| Rejected::from(error).at(&self.database))
    }

    async fn finish(mut self: Box<Self>, at: Timestamp) -> Result<(), OpenError> {
        let done = within(&SessionLimits::OF_A_MOVE, finish(&mut self.connection, at)).await;
        done.map_err(|error| Rejected::from(error).at(&self.database))
    }
}

async fn put(connection: &mut PgConnection, records: &[Record]) -> Result<(), StoreError> {
    let MovedRows { entries, transitions, outages } = MovedRows::of(records)?;
    for (statement, rows, list) in [
        (PUT_ENTRIES, entries, entry_columns!(quoted)),
        (PUT_TRANSITIONS, transitions, transition_columns!(quoted)),
    ] {
        let Some(rows) = rows else { continue };
        let listed = list.split(',').map(|name| name.trim().trim_matches('"'));
        let listed = listed.filter(|name| !name.is_empty());
        let columns: Vec<&str> = ["repo", "server"].into_iter().chain(listed).collect();
        sqlx::query(statement).bind(rows).bind(columns).execute(&mut *connection).await?;
    }
    if !outages.is_empty() {
        let (began, ended): (Vec<i64>, Vec<i64>) =
            outages.iter().map(|Outage { from, to }| (from.millis(), to.millis())).unzip();
        sqlx::query(PUT_OUTAGES).bind(began).bind(ended).execute(connection).await?;
    }
    Ok(())
}

async fn finish(connection: &mut PgConnection, at: Timestamp) -> Result<(), StoreError> {
    for statement in FINISH {
        sqlx::query(statement).execute(&mut *connection).await?;
    }
    sqlx::query(SET_META).bind(at.millis()).execute(&mut *connection).await?;
    connection.execute("commit").await?;
    Ok(())
}
