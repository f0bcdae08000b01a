//! The outages of the server as the database stores them.

use sqlx::sqlite::SqliteConnection;

use super::{pairs, sql};
use crate::domain::{Outage, Timestamp};
use crate::store::StoreError;

/// Reads the outages in their order.
pub(super) async fn read(connection: &mut SqliteConnection) -> Result<Vec<Outage>, sqlx::Error> {
    let rows: Vec<(i64, i64)> = sqlx::query_as(sql::OUTAGES).fetch_all(connection).await?;
    let moment = Timestamp::from_millis;
    Ok(rows.into_iter().map(|(from, to)| Outage { from: moment(from), to: moment(to) }).collect())
}

/// Replaces the outages. What a kill leaves of the old ones between the two steps does no harm.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    outages: &[Outage],
) -> Result<(), StoreError> {
    let rows = outages.iter().map(|outage| [outage.from.millis(), outage.to.millis()]);
    let rows = pairs::json(&rows.collect::<Vec<_>>())?;
    for statement in sql::PUT_OUTAGES {
        sqlx::query(statement).bind(rows.clone()).execute(&mut *connection).await?;
    }
    Ok(())
}
