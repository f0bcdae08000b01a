//! Inspects a database file without changing it, before anything may write to it.
//!
//! Opening a database can change it, so a file has to be refused before that.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use futures_util::future::join;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Row};

use super::file::beside;
use super::stored_entries::{Everything, read_rows};
use super::{ends, result_code as code, sighting_log};
use crate::domain::Revision;
use crate::store::{OpenError, StoreError};

/// The first bytes of every SQLite file.
const MAGIC: &[u8] = b"SQLite format 3\0";
/// The position of the application id in a SQLite file, and ours: "gsts".
const APPLICATION_ID: (std::ops::Range<usize>, &[u8]) = (68..72, b"gsts");

/// What operators can do about a refused database, by the reason.
const RESTORE: &str = "Restore a copy of it from a backup, or move it and its -wal file away to \
     start with an empty one";
const REPAIR: &str = "Run `gitops-status-server repair` with the same settings: it keeps this file \
     under another name and makes a sound one of what is sound in it";
const NAME_ANOTHER: &str = "Let the setting database_url name another file";
const UPGRADE: &str = "Start the newer version, or restore a copy from before it ran";

/// What is at the path of the database.
#[derive(Debug)]
pub(super) enum Found {
    /// No file: a new database can be created.
    Nothing,
    /// A database of an older version, to be migrated.
    Older,
    /// A database of this version, and its content.
    Current(Everything),
}

/// The version of a database's schema.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Schema {
    Older,
    Current,
}

/// Why a file must not be opened.
pub(super) enum Rejected {
    /// It is damaged or not ours.
    Refused { reason: String, way_out: &'static str },
    /// It cannot be read.
    Unreadable(Box<dyn std::error::Error + Send + Sync>),
}

impl Rejected {
    pub(super) fn at(self, path: &Path) -> OpenError {
        let path = path.display().to_string();
        match self {
            Self::Refused { reason, way_out } => OpenError::Refused { path, reason, way_out },
            Self::Unreadable(cause) => OpenError::Unusable { path, cause },
        }
    }

    pub(super) fn refused(reason: impl Into<String>, way_out: &'static str) -> Self {
        Self::Refused { reason: reason.into(), way_out }
    }

    /// Names the history as the damaged part.
    pub(super) fn in_the_history(self) -> Self {
        match self {
            Self::Refused { reason, .. } => damaged("transitions", &reason),
            Self::Unreadable(cause) => Self::Unreadable(cause),
        }
    }
}

/// Names the damaged part of a database, and what operators can do about it.
fn damaged(table: &str, reason: &str) -> Rejected {
    let (part, way_out) = match table {
        "transitions" => ("its history is damaged", REPAIR),
        "entries" | "sightings" => ("its entries are damaged", RESTORE),
        // A new file needs neither the recently removed pairs nor the outages nor the list of free
        // pages.
        "tombstones" | "outages" | "sqlite_schema" => ("it is damaged", REPAIR),
        _ => ("it is damaged", RESTORE),
    };
    Rejected::refused(format!("{part} ({reason})"), way_out)
}

impl From<io::Error> for Rejected {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(Box::new(error))
    }
}

impl From<sqlx::Error> for Rejected {
    fn from(error: sqlx::Error) -> Self {
        let code = code::extended(&error);
        let code = code.map(|code| if code == code::IOERR_READ { code } else { code & 0xff });
        match (code, &error) {
            (Some(code::CORRUPT | code::NOTADB | code::IOERR_READ), _) => {
                Self::refused(format!("it is damaged ({error})"), RESTORE)
            }
            (Some(code::ERROR), _)
            | (
                None,
                sqlx::Error::RowNotFound
                | sqlx::Error::ColumnNotFound(_)
                | sqlx::Error::ColumnDecode { .. }
                | sqlx::Error::Decode(_),
            ) => Self::refused(format!("it lacks what its schema promises ({error})"), RESTORE),
            (Some(_) | None, _) => Self::Unreadable(Box::new(error)),
        }
    }
}

impl From<StoreError> for Rejected {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Damaged { .. } => Self::refused(error.to_string(), RESTORE),
            StoreError::Unavailable(cause) => match cause.downcast::<sqlx::Error>() {
                Ok(error) => Self::from(*error),
                Err(cause) => Self::Unreadable(cause),
            },
            StoreError::Displaced
            | StoreError::WentBack { .. }
            | StoreError::Silent(_)
            | StoreError::TooSlow(_)
            | StoreError::Interrupted
            | StoreError::Closed => Self::Unreadable(Box::new(error)),
        }
    }
}

/// Inspects what is at a path, without changing it.
pub(super) async fn inspect(path: &Path, migrator: &Migrator) -> Result<Found, Rejected> {
    if !path.try_exists()? {
        check_no_log_alone(path)?;
        return Ok(Found::Nothing);
    }
    check_header(path)?;
    let options = options(path)?;
    let mut connection = options.connect().await?;
    let mut beside = options.connect().await?;
    let found = look(&mut connection, &mut beside, migrator).await;
    connection.close().await?;
    beside.close().await?;
    found
}

/// Refuses a log whose database is gone: a new database must not be put beside it.
pub(super) fn check_no_log_alone(path: &Path) -> Result<(), Rejected> {
    if beside(path, "-wal").try_exists()? {
        let reason = "there is a -wal file but no database beside it";
        return Err(Rejected::refused(reason, RESTORE));
    }
    Ok(())
}

/// Returns the options that open a file without changing it.
pub(super) fn options(path: &Path) -> io::Result<SqliteConnectOptions> {
    // Without a log there is nothing to recover. A reader that may write would create an empty log.
    let has_no_log = !beside(path, "-wal").try_exists()?;
    let options = SqliteConnectOptions::new().filename(path).read_only(true).immutable(has_no_log);
    Ok(options.pragma("cell_size_check", "on").disable_statement_logging())
}

/// Checks the schema, the pages and the content, in this order: damage is reported before its
/// consequences.
async fn look(
    connection: &mut SqliteConnection,
    beside: &mut SqliteConnection,
    migrator: &Migrator,
) -> Result<Found, Rejected> {
    let schema = check_schema(connection, migrator).await;
    if !matches!(schema, Ok(Schema::Current)) {
        check_pages(beside).await?;
        // A migration may read all of the history.
        check_table(beside, "transitions").await?;
        return schema.map(|_| Found::Older);
    }
    // Each connection has a thread of its own. Most of the work is in the rows.
    let log = async {
        check_pages(beside).await?;
        let ends = ends::check(beside).await;
        ends.map_err(|error| Rejected::from(error).in_the_history())?;
        Ok::<_, Rejected>(sighting_log::read(beside, Revision(0)).await)
    };
    let (rows, log) = join(read_rows(connection), log).await;
    let log = log?;
    Ok(Found::Current(Everything::new(rows?, log?)))
}

pub(super) fn check_header(path: &Path) -> Result<(), Rejected> {
    let metadata = path.metadata()?;
    if !metadata.is_file() {
        return Err(Rejected::Unreadable("it is not a file".into()));
    }
    if metadata.nlink() > 1 {
        // Each name has its own lock and log, so two processes would overwrite each other's
        // updates.
        let reason = "the file has more than one name (hard link); remove all but one, or copy it";
        return Err(Rejected::Unreadable(reason.into()));
    }
    let mut header = Vec::with_capacity(100);
    File::open(path)?.take(100).read_to_end(&mut header)?;
    let refused = |reason: &str, way_out| Err(Rejected::refused(reason, way_out));
    if header.is_empty() {
        return refused("it is empty", RESTORE);
    }
    if header.len() < 100 || !header.starts_with(MAGIC) {
        return refused("it is not a SQLite database, or it is damaged", RESTORE);
    }
    let (place, ours) = APPLICATION_ID;
    if header.get(place) != Some(ours) {
        return refused("it is not a database of gitops-status-server", NAME_ANOTHER);
    }
    Ok(())
}

/// Checks every page except those of the history, which can be far larger than the rest: a start
/// would have to read all of it.
pub(super) async fn check_pages(connection: &mut SqliteConnection) -> Result<(), Rejected> {
    let tables = "select name from sqlite_schema where type = 'table' and name <> 'transitions'";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut *connection).await?;
    for table in &tables {
        check_table(connection, table).await?;
    }
    // This includes the free pages.
    check_table(connection, "sqlite_schema").await
}

/// Checks every page of a table and of its indexes.
pub(super) async fn check_table(
    connection: &mut SqliteConnection,
    table: &str,
) -> Result<(), Rejected> {
    let check = sqlx::query_scalar("select quick_check from pragma_quick_check($1)");
    let verdict: String = check.bind(table.to_owned()).fetch_one(connection).await?;
    if verdict == "ok" { Ok(()) } else { Err(damaged(table, &verdict.replace('\n', " "))) }
}

/// Makes sure that every migration of a database is one of ours.
pub(super) async fn check_schema(
    connection: &mut SqliteConnection,
    migrator: &Migrator,
) -> Result<Schema, Rejected> {
    let query = "select version, checksum, success from _sqlx_migrations";
    let applied = match sqlx::query(query).fetch_all(&mut *connection).await {
        Ok(applied) => applied,
        Err(sqlx::Error::Database(error)) if error.message().starts_with("no such table") => {
            return Err(Rejected::refused("it has no schema of gitops-status-server", RESTORE));
        }
        Err(error) => return Err(error.into()),
    };
    for row in &applied {
        let (version, checksum, success): (i64, Vec<u8>, bool) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let known = migrator.iter().find(|known| known.version == version);
        let (reason, way_out) = match known {
            None => ("it was written by a newer version of gitops-status-server", UPGRADE),
            Some(known) if *known.checksum != *checksum || !success => {
                ("its schema is not one of gitops-status-server's", RESTORE)
            }
            Some(_) => continue,
        };
        return Err(Rejected::refused(format!("{reason} (migration {version})"), way_out));
    }
    let is_older = applied.len() < migrator.iter().count();
    Ok(if is_older { Schema::Older } else { Schema::Current })
}
