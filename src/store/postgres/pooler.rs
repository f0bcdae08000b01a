//! Notices a pooler that mixes the sessions of its clients.
//!
//! In its modes for transactions and statements, a pooler lends a client a process of the server only
//! for so long. Then the prepared statements and the settings of one session turn up in another.

use sqlx::{PgConnection, Row};

/// Whether one of two open sessions works in the process of the other, or changes its own.
pub(super) async fn mixes(one: &mut PgConnection, other: &mut PgConnection) -> sqlx::Result<bool> {
    let first = process_of(one).await?;
    Ok(process_of(other).await? == first || process_of(one).await? != first)
}

/// Asks for the process of the server that answers. Nothing is prepared, since that may fail there.
async fn process_of(connection: &mut PgConnection) -> sqlx::Result<i32> {
    let row = sqlx::raw_sql("select pg_backend_pid()").fetch_one(connection).await?;
    row.try_get(0)
}
