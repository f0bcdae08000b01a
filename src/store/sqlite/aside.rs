//! Work that may wait for a disk, on threads apart from those that serve requests and write.

use std::future::Future;

use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use crate::store::StoreError;

/// Runs work that owns a connection on a thread of its own, to its end.
///
/// A connection does nearly all its work on a thread behind it. But the last owner closes it, which
/// can write the whole log into the database; here that owner is not a thread that must not wait.
pub(super) async fn aside<T: Send + 'static>(
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    let runtime = Handle::current();
    let done = spawn_blocking(move || runtime.block_on(work)).await;
    done.map_err(|error| StoreError::Unavailable(error.into()))?
}

/// Runs work that waits for a disk.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    spawn_blocking(work).await.map_err(|error| StoreError::Unavailable(error.into()))
}

/// Closes a connection.
pub(super) async fn close(connection: SqliteConnection) -> Result<(), StoreError> {
    aside(async { Ok(connection.close().await?) }).await
}
