//! Opens a store: lock, inspect, create or migrate, connect.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicUsize};
use std::sync::{Arc, LazyLock};

use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Executor};
use tokio::sync::Mutex;

use super::connection::{connect, hold, open_left};
use super::file::{DatabaseFile, Lock, beside};
use super::inspect::{Found, Rejected, inspect};
use super::readers::Readers;
use super::schema::take_steps;
use super::sightings::Sightings;
use super::store::SqliteStore;
use super::stored_entries::{Everything, read_all};
use super::upkeep::Sizes;
use super::writing::{WriteConnection, Writing};
use super::{aside, backup, create, repair, sql, upkeep, wal};
use crate::store::{OpenError, StoreError, migrations};

/// The migrations of this version.
pub(super) static MIGRATOR: LazyLock<Migrator> = LazyLock::new(migrations::sqlite);

impl SqliteStore {
    /// Opens a database file, and creates it if there is none.
    ///
    /// # Errors
    /// See [`OpenError`]. A refused database is left as it is, byte for byte.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        let (resolved, lock) = take_lock(path)?;
        let store = Self::open_locked(&resolved, lock).await;
        store.map_err(|unfit| unfit.at(path))
    }

    async fn open_locked(path: &Path, lock: Lock) -> Result<Self, Rejected> {
        let lost_commits = wal::lost_commits(path)?;
        let found = inspect(path, &MIGRATOR).await?;
        if matches!(found, Found::Nothing) {
            create::create(path, &MIGRATOR).await?;
        } else {
            // A kill may have left one, as large as the database.
            create::remove_unfinished(&beside(path, ".new")).ok();
            backup::remove_drafts(path).ok();
        }
        let file = Arc::new(DatabaseFile::new(path.to_owned())?);
        if matches!(found, Found::Older) {
            migrate(&file).await?;
        }
        let held = hold(&file).await?;
        let mut connection = connect(&file).await?;
        if lost_commits > 0 {
            log::warn!(
                "The database's log is damaged: up to {lost_commits} commits that had been \
                 confirmed are lost. Updates after them bring their entries up to date"
            );
        }
        let Everything { loaded, unfolded } = match found {
            Found::Current(everything) => everything,
            Found::Older | Found::Nothing => read_all(&mut connection).await?,
        };
        let sizes = Sizes::default();
        sizes.look(&mut connection).await?;
        let sightings = Sightings::of_log(loaded.entries.len(), unfolded, loaded.head.revision);
        let writing =
            Writing { connection: to_write(&file, connection, lost_commits).await, sightings };
        held.close().await.ok();
        Ok(Self {
            file,
            store_id: loaded.store_id.clone(),
            writing: Mutex::new(writing),
            confirmed: AtomicI64::new(loaded.head.revision.0),
            entries: AtomicUsize::new(loaded.entries.len()),
            preloaded: Mutex::new(Some(loaded)),
            readers: Readers::new(),
            lost_commits,
            sizes,
            copying: Mutex::default(),
            lock: Mutex::new(Some(lock)),
        })
    }
}

/// Returns the connection if it may confirm updates. Where the disk refuses that, everything can still
/// be read, and a new connection tries again.
async fn to_write(
    file: &Arc<DatabaseFile>,
    mut connection: SqliteConnection,
    lost_commits: u64,
) -> WriteConnection {
    let ready = async {
        upkeep::renew_log(file, &mut connection).await?;
        if lost_commits > 0 {
            // Restarts the log, so that the next start does not count the same commits.
            connection.execute(sql::EMPTY_LOG).await?;
        }
        Ok::<_, StoreError>(())
    };
    match ready.await {
        Ok(()) => WriteConnection::Open(connection),
        Err(error) => {
            log::warn!("The database's log cannot be written, so updates are refused: {error}");
            aside::close(connection).await.ok();
            file.forget_log();
            WriteConnection::Broken { is_log_synced: false }
        }
    }
}

/// Locks a database for this process, and returns its resolved path.
pub(super) fn take_lock(path: &Path) -> Result<(PathBuf, Lock), OpenError> {
    let unusable = |error: std::io::Error| Rejected::from(error).at(path);
    let resolved = resolve(path).map_err(unusable)?;
    let lock = Lock::take(&resolved).map_err(unusable)?;
    let lock = lock.ok_or_else(|| OpenError::InUse(path.display().to_string()))?;
    repair::undo_killed(&resolved).map_err(unusable)?;
    backup::complete(&resolved).map_err(unusable)?;
    Ok((resolved, lock))
}

async fn migrate(file: &Arc<DatabaseFile>) -> Result<(), StoreError> {
    // The program does not listen yet, and this is the only sign of life.
    log::info!(
        "The database is of an older version and is brought up to this one. With a long history this \
         takes a while"
    );
    let mut connection = open_left(file).await?;
    let upgraded = take_steps(&mut connection, &MIGRATOR, None).await;
    upgraded
        .map_err(|error| StoreError::Unavailable(format!("its upgrade failed: {error}").into()))?;
    // An older version inspects the file without the log first, and must find the new schema.
    connection.execute(sql::EMPTY_LOG).await?;
    connection.close().await?;
    Ok(())
}

/// Returns the path with all symbolic links resolved, so that all names of a database share a lock.
pub(super) fn resolve(path: &Path) -> std::io::Result<PathBuf> {
    if path.is_symlink() || path.exists() {
        return path.canonicalize();
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    let name = path.file_name().ok_or(std::io::ErrorKind::IsADirectory)?;
    Ok(folder.canonicalize()?.join(name))
}
