//! Makes a sound database from a damaged one.
//!
//! The sound tables are copied into a new file, and the damaged file is kept under another name:
//! writing to damaged pages could damage more. The entries are copied completely or not at all.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use futures_util::TryStreamExt;
use sqlx::sqlite::SqliteConnection;
use sqlx::{ConnectOptions, Connection};

use super::file::beside;
use super::inspect::{self, Rejected, Schema, check_schema, check_table};
use super::open::MIGRATOR;
use super::remake::{self, HISTORY, is_sound, remake};
use super::schema::take_steps;
use super::sql::transition_columns;
use super::store::SqliteStore;
use super::stored_entries::read_all;
use super::{create, records, wal};
use crate::store::{Loaded, OpenError, StoreError};

/// The tables that hold the present. Older versions lack some.
const PRESENT: &str = "select name from sqlite_schema where type = 'table' \
     and name in ('meta', 'entries', 'sightings') order by name";

const ATTACH: &str = "attach database $1 as damaged";
/// The new file is the same store, so it keeps the id. Tombstones are left out: they serve a
/// process that knows an earlier revision, and none is left.
const COPY_PRESENT: [&str; 2] = [
    "update meta set (store_id, revision) = (select store_id, revision from damaged.meta)",
    "insert into entries select * from damaged.entries",
];
const COPY_SIGHTINGS: &str = "insert into sightings select * from damaged.sightings";
const COPY_OUTAGES: &str = "insert into outages select * from damaged.outages";
const COPY_RESTORED_AT: &str =
    "update meta set restored_at = (select restored_at from damaged.meta)";

/// Every version has these columns.
const COPY_HISTORY: &str = concat!(
    "insert into transitions (id, repo, server, ",
    transition_columns!(names),
    "revision) select id, repo, server, ",
    transition_columns!(names),
    "revision from damaged.transitions not indexed order by id"
);

/// The outcome of a repair.
#[derive(Debug)]
pub enum Repair {
    /// No damage was found, and nothing was done.
    NotNeeded {
        /// An upper bound of the confirmed commits that were found lost in the log.
        lost_commits: u64,
    },
    /// A sound file has taken the place of the damaged one.
    Done {
        /// The number of entries, the same as before.
        entries: u64,
        /// What became of the history.
        history: HistoryRepair,
        /// An upper bound of the confirmed commits that were found lost in the log.
        lost_commits: u64,
        /// Where the damaged file is now.
        old: PathBuf,
    },
}

/// The outcome of a repair for the history.
#[derive(Debug)]
pub enum HistoryRepair {
    /// All of this many transitions were kept. The indexes were rebuilt.
    Kept(u64),
    /// A new history begins, because the old one could not be read to its end for this reason.
    SetAside(String),
}

impl SqliteStore {
    /// Makes a sound database from a damaged one, and keeps the damaged file under another name.
    ///
    /// # Errors
    /// See [`OpenError`]. A database with damaged entries is refused: a program must not guess what
    /// is on the servers. An error leaves the database as it was.
    pub async fn repair(path: &Path) -> Result<Repair, OpenError> {
        remake(path, repair).await
    }
}

async fn repair(path: &Path, unfinished: &Path) -> Result<Repair, Rejected> {
    let lost_commits = wal::lost_commits(path)?;
    let mut old = inspect::options(path)?.connect().await?;
    let present = Present::read(&mut old).await?;
    let history = match read_history(&mut old).await.map_err(Rejected::from) {
        Ok(_) if is_sound(&mut old).await => {
            return Ok(Repair::NotNeeded { lost_commits });
        }
        Ok(count) => HistoryRepair::Kept(count),
        Err(Rejected::Refused { reason, .. }) => HistoryRepair::SetAside(reason),
        Err(unreadable @ Rejected::Unreadable(_)) => return Err(unreadable),
    };
    old.close().await?;
    copy(path, unfinished, &present, &history).await?;
    let old = replace(path, unfinished).await?;
    Ok(Repair::Done { entries: present.entries, history, lost_commits, old })
}

/// The part of a database that is kept completely.
struct Present {
    schema: i64,
    entries: u64,
    has_sightings: bool,
    /// Its content, if the schema is of this version.
    loaded: Option<Loaded>,
}

impl Present {
    /// Reads it, and makes sure that it is sound.
    async fn read(connection: &mut SqliteConnection) -> Result<Self, Rejected> {
        let schema = check_schema(connection, &MIGRATOR).await?;
        let versions = sqlx::query_scalar("select max(version) from _sqlx_migrations not indexed");
        let version = versions.fetch_one(&mut *connection).await?;
        let tables: Vec<String> = sqlx::query_scalar(PRESENT).fetch_all(&mut *connection).await?;
        for table in &tables {
            check_table(connection, table).await?;
        }
        let loaded = match schema {
            Schema::Current => Some(read_all(connection).await?.loaded),
            Schema::Older => None,
        };
        let entries = sqlx::query_scalar("select count(*) from entries").fetch_one(connection);
        let entries = entries.await?;
        let has_sightings = tables.iter().any(|table| table == "sightings");
        Ok(Self { schema: version, entries, has_sightings, loaded })
    }
}

/// Reads all of the history, and returns how long it is.
async fn read_history(connection: &mut SqliteConnection) -> Result<u64, StoreError> {
    let mut rows = sqlx::query(HISTORY).fetch(connection);
    let mut count = 0;
    while let Some(row) = rows.try_next().await? {
        records::decode(&row)?;
        count += 1;
    }
    Ok(count)
}

/// Copies the sound tables into a new file, and verifies it.
async fn copy(
    path: &Path,
    unfinished: &Path,
    present: &Present,
    history: &HistoryRepair,
) -> Result<(), Rejected> {
    let mut new = create::connect_to_new(unfinished).await?;
    take_steps(&mut new, &MIGRATOR, Some(present.schema)).await?;
    sqlx::query(ATTACH).bind(read_only_url(path)?).execute(&mut new).await?;
    for copy in COPY_PRESENT {
        sqlx::query(copy).execute(&mut new).await?;
    }
    if present.has_sightings {
        sqlx::query(COPY_SIGHTINGS).execute(&mut new).await?;
    }
    // Older versions have none, and damaged ones are no loss.
    for copy in [COPY_OUTAGES, COPY_RESTORED_AT] {
        sqlx::query(copy).execute(&mut new).await.ok();
    }
    if let HistoryRepair::Kept(_) = history {
        sqlx::query(COPY_HISTORY).execute(&mut new).await?;
    }
    let is_same = match &present.loaded {
        Some(loaded) => read_all(&mut new).await?.loaded.entries == loaded.entries,
        None => true,
    };
    if !is_same || !is_sound(&mut new).await {
        return Err(remake::not_a_copy());
    }
    new.close().await?;
    remake::finish(path, unfinished)
}

/// Returns the URL by which SQLite attaches a file without changing it.
fn read_only_url(path: &Path) -> io::Result<String> {
    let has_no_log = !beside(path, "-wal").try_exists()?;
    Ok(format!("{}?mode=ro&immutable={}", remake::url(path), u8::from(has_no_log)))
}

/// Puts a finished file in the place of another, which is kept. Returns the path of that.
///
/// A database exists at every moment: without one, a start would create an empty one.
async fn replace(path: &Path, finished: &Path) -> Result<PathBuf, Rejected> {
    remake::take_log_in(path).await?;
    let kept = keep(path)?;
    fs::rename(finished, path).or_else(|error| fs::remove_file(&kept).and(Err(error)))?;
    create::sync_folder_of(path)?;
    Ok(kept)
}

/// Gives a file another name that is not in use.
fn keep(path: &Path) -> io::Result<PathBuf> {
    let mut number = 1;
    loop {
        let name = kept_name(path, number);
        match fs::hard_link(path, &name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            done => return done.map(|()| name),
        }
    }
}

/// Removes the second name that a killed repair has given to a database. A file with two names
/// would be refused.
pub(super) fn undo_killed(path: &Path) -> io::Result<()> {
    let identity = |path: &Path| fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()));
    let Ok(database) = identity(path) else { return Ok(()) };
    let names = (1..).map(|number| kept_name(path, number));
    for name in names.take_while(|name| name.exists()) {
        if identity(&name)? == database {
            return fs::remove_file(name);
        }
    }
    Ok(())
}

fn kept_name(path: &Path, number: u32) -> PathBuf {
    beside(path, &format!(".damaged-{number}"))
}
