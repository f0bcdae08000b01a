//! Opens a store: connect, look, create or migrate.

use std::sync::LazyLock;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{Connection, PgConnection};
use tokio::time::sleep;

use super::line::{piece, within};
use super::server::SessionLimits;
use super::sql;
use super::store::PostgresStore;
use super::target::Target;
use crate::store::{OpenError, StoreError, migrations};

/// The pause between two looks at whether another replica still migrates the database, and every how
/// many of them that is logged.
const WAIT: Duration = Duration::from_millis(250);
const WAITS_A_LINE: u32 = 240;

/// The limits of a start: it may have to migrate a long history.
const LIMITS: SessionLimits = SessionLimits {
    statement: Duration::from_mins(30),
    lock: Duration::from_mins(1),
    idle_in_transaction: Duration::from_mins(1),
};

/// The migrations of this version.
static MIGRATOR: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrator = migrations::postgres();
    // A newer version, which runs beside this one, has more.
    migrator.set_ignore_missing(true);
    // Its own way to take turns waits within a statement.
    migrator.set_locking(false);
    migrator
});

/// Returns the number of the last migration of this version.
pub(super) fn newest_migration() -> i64 {
    MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or_default()
}

/// Why a database is not opened, without its name.
pub(super) enum Rejected {
    Refused { reason: String, way_out: &'static str },
    Unusable(StoreError),
}

impl<E: Into<StoreError>> From<E> for Rejected {
    fn from(error: E) -> Self {
        Self::Unusable(error.into())
    }
}

impl Rejected {
    /// Names the database.
    pub(super) fn at(self, database: &impl ToString) -> OpenError {
        let path = database.to_string();
        match self {
            Self::Refused { reason, way_out } => OpenError::Refused { path, reason, way_out },
            Self::Unusable(error) => OpenError::Unusable { path, cause: error.into() },
        }
    }
}

impl PostgresStore {
    /// Opens a database, and creates what the program needs in it, if it has nothing of it.
    ///
    /// A database that a newer version of the program has migrated is opened unless it says that this
    /// one is too old, so that both can run side by side.
    ///
    /// # Errors
    /// See [`OpenError`]. A refused database is left as it is.
    pub async fn open(target: Target) -> Result<Self, OpenError> {
        let connected = target.connect(&LIMITS).await;
        let mut connection = connected.map_err(|error| error.at_start(&target))?.connection;
        let prepared = within(&LIMITS, prepare(&mut connection)).await;
        // What was done is durable, and nothing more is asked of this connection.
        connection.close().await.ok();
        match prepared {
            Ok(store_id) => Ok(Self::new(target, store_id)),
            Err(rejected) => Err(rejected.at(&target)),
        }
    }
}

/// Looks at a database, and creates or migrates what the program needs in it. Returns what identifies
/// it.
pub(super) async fn prepare(connection: &mut PgConnection) -> Result<String, Rejected> {
    // Nothing of these waits for a lock.
    piece(sqlx::query(sql::NO_NOTICES).execute(&mut *connection)).await?;
    let ask = sqlx::query_scalar(sql::HAS_TABLES).fetch_one(&mut *connection);
    let has_tables: bool = piece(ask).await?;
    let ask = sqlx::query_scalar(sql::HAS_MIGRATIONS).fetch_one(&mut *connection);
    let has_migrations: bool = piece(ask).await?;
    if has_tables && !has_migrations {
        return Err(of_another("it has tables of the same names".to_owned()));
    }
    migrate(connection).await?;
    let oldest_program: i64 =
        sqlx::query_scalar(sql::OLDEST_PROGRAM).fetch_one(&mut *connection).await?;
    if newest_migration() < oldest_program {
        return Err(Rejected::Refused {
            reason: "it needs a newer version of this program".to_owned(),
            way_out: "Run the version that has used it last",
        });
    }
    Ok(sqlx::query_scalar(sql::STORE_ID).fetch_one(connection).await?)
}

/// Brings the tables up to date, once no other replica does that.
async fn migrate(connection: &mut PgConnection) -> Result<(), Rejected> {
    let mut waits = 0_u32;
    while !sqlx::query_scalar(sql::TRY_TO_MIGRATE).fetch_one(&mut *connection).await? {
        if waits.is_multiple_of(WAITS_A_LINE) {
            log::info!("Another replica is upgrading the database, which this one waits for");
        }
        waits = waits.wrapping_add(1);
        sleep(WAIT).await;
    }
    let migrated = MIGRATOR.run(&mut *connection).await;
    // After an error, the session ends and with it the turn.
    migrated.map_err(of_migration)?;
    sqlx::query(sql::HAS_MIGRATED).execute(connection).await?;
    Ok(())
}

fn of_another(reason: String) -> Rejected {
    Rejected::Refused { reason, way_out: "Name a database that nothing else uses" }
}

fn of_migration(error: MigrateError) -> Rejected {
    match error {
        MigrateError::VersionMismatch(_)
        | MigrateError::VersionMissing(_)
        | MigrateError::Dirty(_) => of_another(error.to_string()),
        error => Rejected::Unusable(StoreError::Unavailable(
            format!("its upgrade failed: {error}").into(),
        )),
    }
}
