//! Reading everything that a start needs, at one moment.

use std::sync::Arc;

use futures_util::TryStreamExt;
use sqlx::{Connection, PgConnection, Row};

use super::line::piece;
use super::{feed, sql};
use crate::domain::{Entry, Outage, Timestamp};
use crate::store::record::StoredEntry;
use crate::store::{Loaded, StoreError};

/// Reads everything at one commit. Entries are decoded while the server sends them, for as long as it does.
pub(super) async fn read_all(connection: &mut PgConnection) -> Result<Loaded, StoreError> {
    let mut moment = piece(connection.begin_with(sql::BEGIN_TO_READ)).await?;
    piece(sqlx::query(sql::DO_NOT_SORT).execute(&mut *moment)).await?;
    let (store_id, restored_at) = piece(read_meta(&mut moment)).await?;
    let head = piece(feed::last(&mut moment)).await?;
    let outages = piece(read_outages(&mut moment)).await?;
    let mut entries: Vec<Arc<Entry>> = Vec::new();
    let mut rows = sqlx::query(sql::ENTRIES).fetch(&mut *moment);
    while let Some(row) = piece(rows.try_next()).await? {
        let entry = StoredEntry::of_columns(&row, 0)?.beside(entries.last().map(|last| &**last))?;
        entries.push(Arc::new(entry));
    }
    drop(rows);
    piece(moment.commit()).await?;
    Ok(Loaded { store_id, head, entries, outages, restored_at })
}

/// Reads the identity of the database, and when it was restored.
pub(super) async fn read_meta(
    connection: &mut PgConnection,
) -> Result<(String, Option<Timestamp>), StoreError> {
    let row = sqlx::query(sql::META).fetch_one(connection).await?;
    Ok((row.try_get(0)?, row.try_get::<Option<i64>, _>(1)?.map(Timestamp::from_millis)))
}

/// Reads the outages in their order.
pub(super) async fn read_outages(connection: &mut PgConnection) -> Result<Vec<Outage>, StoreError> {
    let rows = sqlx::query(sql::OUTAGES).fetch_all(connection).await?;
    let moment = |millis| Timestamp::from_millis(millis);
    let outage = |row: &sqlx::postgres::PgRow| {
        Ok(Outage { from: moment(row.try_get(0)?), to: moment(row.try_get(1)?) })
    };
    rows.iter().map(outage).collect()
}
