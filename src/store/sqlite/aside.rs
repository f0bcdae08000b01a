//! Work on threads that a disk may hold up, beside those that serve requests and write.

use std::future::Future;

use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use crate::store::StoreError;

/// Does work with a connection of its own to its end, on a thread of its own.
///
/// Nearly all that a connection does is done on a thread behind it. But the last to let go of it
/// closes it, which can write its whole log into the database, and that may be who uses it.
pub(super) async fn aside<T: Send + 'static>(
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    let runtime = Handle::current();
    let done = spawn_blocking(move || runtime.block_on(work)).await;
    done.map_err(|error| StoreError::Unavailable(error.into()))?
}

/// Closes a connection.
pub(super) async fn close(connection: SqliteConnection) -> Result<(), StoreError> {
    aside(async { Ok(connection.close().await?) }).await
}
