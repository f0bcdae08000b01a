//! Brings a file to a schema, by the steps in `migrations`.

use sqlx::Connection;
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnection;

use crate::store::StoreError;

/// Takes the steps that a file lacks, up to one of them, or all, in one transaction.
///
/// If each step were a transaction of its own, a kill or an error between two would leave a schema that no version
/// ends with, and the older version would refuse it.
pub(super) async fn take_steps(
    connection: &mut SqliteConnection,
    migrator: &Migrator,
    last: Option<i64>,
) -> Result<(), StoreError> {
    let mut steps = connection.begin().await?;
    let taken = match last {
        Some(last) => migrator.run_to(last, &mut *steps).await,
        None => migrator.run(&mut *steps).await,
    };
    taken.map_err(|error| StoreError::Unavailable(error.into()))?;
    Ok(steps.commit().await?)
}
