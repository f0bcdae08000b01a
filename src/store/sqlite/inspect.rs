//! A look at a database file before anything may write to it.
//!
//! Opening a database can change it, so what is refused must be refused from here.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use futures_util::future::join;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Row};

use super::file::beside;
use super::present::{Everything, read_rows};
use super::sighting_log;
use crate::domain::Revision;
use crate::store::{OpenError, StoreError};

/// The first bytes of every SQLite file.
const MAGIC: &[u8] = b"SQLite format 3\0";
/// Where a SQLite file says which program it belongs to, and what ours say: "gsts".
const APPLICATION_ID: (std::ops::Range<usize>, &[u8]) = (68..72, b"gsts");

/// What lies where the database should be.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing: a new database can be made.
    Nothing,
    /// A database of an older version, to be migrated.
    Older,
    /// A database of this version, and what is in it.
    Current(Everything),
}

/// Which version a database's schema is of.
enum Schema {
    Older,
    Current,
}

/// Why a file is not to be opened.
pub(super) enum Unfit {
    /// It is damaged or not ours.
    Refused(String),
    /// It cannot be read.
    Unreadable(Box<dyn std::error::Error + Send + Sync>),
}

impl Unfit {
    pub(super) fn at(self, path: &Path) -> OpenError {
        let path = path.display().to_string();
        match self {
            Self::Refused(reason) => OpenError::Refused { path, reason },
            Self::Unreadable(cause) => OpenError::Unusable { path, cause },
        }
    }
}

impl From<io::Error> for Unfit {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(Box::new(error))
    }
}

impl From<sqlx::Error> for Unfit {
    fn from(error: sqlx::Error) -> Self {
        // SQLite's primary codes: 1 a table or column is missing, 11 a damaged database, 26 none.
        let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
        match (code.map(|code| code & 0xff), &error) {
            (Some(11 | 26), _) => Self::Refused(format!("it is damaged ({error})")),
            (Some(1), _)
            | (
                None,
                sqlx::Error::RowNotFound
                | sqlx::Error::ColumnNotFound(_)
                | sqlx::Error::ColumnDecode { .. }
                | sqlx::Error::Decode(_),
            ) => Self::Refused(format!("it lacks what its schema promises ({error})")),
            (Some(_) | None, _) => Self::Unreadable(Box::new(error)),
        }
    }
}

impl From<StoreError> for Unfit {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Damaged { .. } => Self::Refused(error.to_string()),
            StoreError::Unavailable(cause) => match cause.downcast::<sqlx::Error>() {
                Ok(error) => Self::from(*error),
                Err(cause) => Self::Unreadable(cause),
            },
            StoreError::Displaced
            | StoreError::WentBack { .. }
            | StoreError::Silent(_)
            | StoreError::TooSlow(_)
            | StoreError::Closed => Self::Unreadable(Box::new(error)),
        }
    }
}

/// Looks at what lies at a path, without changing it.
pub(super) async fn inspect(path: &Path, migrator: &Migrator) -> Result<Found, Unfit> {
    if !path.try_exists()? {
        if beside(path, "-wal").try_exists()? {
            let reason = "there is a -wal file but no database beside it: restore the database, \
                          or move the -wal file away to start with an empty one";
            return Err(Unfit::Refused(reason.to_owned()));
        }
        return Ok(Found::Nothing);
    }
    check_header(path)?;
    // Without a log there is nothing to recover, and even reading would make an empty one.
    let has_no_log = !beside(path, "-wal").try_exists()?;
    let options = SqliteConnectOptions::new().filename(path).read_only(true).immutable(has_no_log);
    let options = options.disable_statement_logging();
    let mut connection = options.connect().await?;
    let mut beside = options.connect().await?;
    let found = look(&mut connection, &mut beside, migrator).await;
    connection.close().await?;
    beside.close().await?;
    found
}

/// Looks at the schema, the pages and the content. Damage is told before what came of it.
async fn look(
    connection: &mut SqliteConnection,
    beside: &mut SqliteConnection,
    migrator: &Migrator,
) -> Result<Found, Unfit> {
    let schema = check_schema(connection, migrator).await;
    if !matches!(schema, Ok(Schema::Current)) {
        check_pages(beside).await?;
        return schema.map(|_| Found::Older);
    }
    // Each connection has a thread of its own, and there is far more to read of rows.
    let log = async {
        check_pages(beside).await?;
        Ok::<_, Unfit>(sighting_log::read(beside, Revision(0)).await)
    };
    let (rows, log) = join(read_rows(connection), log).await;
    let log = log?;
    Ok(Found::Current(Everything::new(rows?, log?)))
}

fn check_header(path: &Path) -> Result<(), Unfit> {
    if !path.metadata()?.is_file() {
        return Err(Unfit::Unreadable("it is not a file".into()));
    }
    let mut header = Vec::with_capacity(100);
    File::open(path)?.take(100).read_to_end(&mut header)?;
    let refused = |reason: &str| Err(Unfit::Refused(reason.to_owned()));
    if header.is_empty() {
        return refused("it is empty: remove it to start with a new one");
    }
    if header.len() < 100 || !header.starts_with(MAGIC) {
        return refused("it is not a SQLite database, or it is damaged");
    }
    let (place, ours) = APPLICATION_ID;
    if header.get(place) != Some(ours) {
        return refused("it is not a database of gitops-status-server");
    }
    Ok(())
}

/// Looks at every page that the present is read from. The history is left out: it can be far larger
/// than all else, and a start would wait for all of it to be read. What is damaged there is found
/// when it is asked for.
async fn check_pages(connection: &mut SqliteConnection) -> Result<(), Unfit> {
    let tables = "select name from sqlite_schema where type = 'table' and name <> 'transitions'";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut *connection).await?;
    for table in tables {
        let check = sqlx::query_scalar("select quick_check from pragma_quick_check($1)");
        let verdict: String = check.bind(table).fetch_one(&mut *connection).await?;
        if verdict != "ok" {
            return Err(Unfit::Refused(format!("it is damaged ({})", verdict.replace('\n', " "))));
        }
    }
    Ok(())
}

/// Makes sure that every migration of a database is one of ours.
async fn check_schema(
    connection: &mut SqliteConnection,
    migrator: &Migrator,
) -> Result<Schema, Unfit> {
    let query = "select version, checksum, success from _sqlx_migrations order by version";
    let applied = match sqlx::query(query).fetch_all(&mut *connection).await {
        Ok(applied) => applied,
        Err(sqlx::Error::Database(error)) if error.message().starts_with("no such table") => {
            return Err(Unfit::Refused("it has no schema of gitops-status-server".to_owned()));
        }
        Err(error) => return Err(error.into()),
    };
    for row in &applied {
        let (version, checksum, success): (i64, Vec<u8>, bool) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let known = migrator.iter().find(|known| known.version == version);
        let reason = match known {
            None => "it was written by a newer version of gitops-status-server",
            Some(known) if *known.checksum != *checksum || !success => {
                "its schema is not one of gitops-status-server's"
            }
            Some(_) => continue,
        };
        return Err(Unfit::Refused(format!("{reason} (migration {version})")));
    }
    let is_older = applied.len() < migrator.iter().count();
    Ok(if is_older { Schema::Older } else { Schema::Current })
}
