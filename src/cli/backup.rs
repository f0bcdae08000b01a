//! `backup`, `restore` and `check`: whole copies of a SQLite database.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use thiserror::Error;

use super::download::{self, DownloadError, OwnServer, SentToken};
use super::error::CliError;
use super::healthcheck::reachable;
use super::invocation::{Invocation, sqlite_file};
use super::place::{self, Place, Unfinished, argument};
use crate::config::{Config, ConfigError, Lookup, Resolved, text_file};
use crate::domain::Timestamp;
use crate::store::sqlite::{BackupSource, Holding, Restored, SqliteStore};
use crate::store::{BackupError, OpenError};

pub(super) const BACKUP: &str = "backup";
pub(super) const RESTORE: &str = "restore";
pub(super) const CHECK: &str = "check";

const TOKEN_FILE: &str = "token-file";
const REPLACE: &str = "replace";
/// The variable with a token, and with `_FILE` behind it the one with the path of a file.
const TOKEN_VARIABLE: &str = "GITOPS_STATUS_TOKEN";
/// Only the owner of a backup can read it.
const MODE: u32 = 0o600;

/// A backup that is to be made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TakeBackup {
    database: PathBuf,
    server: OwnServer,
    place: Place,
}

/// A backup that is to be put back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RestoreBackup {
    database: PathBuf,
    from: Place,
    replaces: bool,
}

/// Why there is no backup.
#[derive(Debug, Error)]
pub enum TakeError {
    /// The database cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database cannot be copied.
    #[error("the database cannot be copied: {0}")]
    Copy(#[from] BackupError),
    /// The server does not give one.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// The file of the backup cannot be written.
    #[error("{file}: {error}")]
    File {
        /// Its path.
        file: String,
        /// What the system says.
        error: io::Error,
    },
}

impl TakeError {
    /// Returns the exit status for this error, unless the database decides that.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Copy(BackupError::Damaged(_)) => 65,
            Self::Download(DownloadError::Refused { .. }) => 1,
            Self::Open(_) | Self::Copy(_) | Self::Download(_) | Self::File { .. } => 74,
        }
    }
}

/// Describes `backup`.
pub(super) fn backup_command() -> Command {
    Command::new(BACKUP)
        .about("Write a whole copy of the SQLite database, from the running server or without one")
        .after_help(
            "If a server has the database open, it is asked at the address of the settings; with a tokens \
             file,\nthat takes a token with the right backup, by --token-file, GITOPS_STATUS_TOKEN_FILE or \
             GITOPS_STATUS_TOKEN.\nFILE appears only once the copy is whole, checked and on disk, and only \
             its owner can read it.",
        )
        .args([
            argument("Where to write it; - is standard output").required(true),
            Arg::new(TOKEN_FILE)
                .long(TOKEN_FILE)
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("The file with the token for the server"),
        ])
}

/// Describes `restore`.
pub(super) fn restore_command() -> Command {
    Command::new(RESTORE)
        .about("Put a backup where the SQLite database is to be; stop the server first")
        .after_help(
            "A flag, the environment or the file of --config has to name the database. The backup is checked \
             before\nanything changes. A kill at any moment leaves the old database or the new one, which has \
             an id of its own.",
        )
        .args([
            argument("The backup, or a folder of which to take the newest; - is standard input")
                .required(true),
            Arg::new(REPLACE)
                .long(REPLACE)
                .action(ArgAction::SetTrue)
                .help("Replace a database that holds something; it stays beside, as NAME.replaced-1"),
        ])
}

/// Describes `check`.
pub(super) fn check_command() -> Command {
    Command::new(CHECK)
        .about("Look through all of a backup, or of the database; exit 0 if it is sound, else 65")
        .arg(argument(
            "The backup, or a folder of them [default: the database of the settings, without its server]",
        ))
}

/// Reads the options of one of these commands; `resolved` finds the settings.
///
/// # Errors
/// [`CliError::Usage`] and [`CliError::Settings`].
pub(super) fn read(
    name: &str,
    matches: &ArgMatches,
    environment: &Lookup<'_>,
    resolved: impl FnOnce() -> Result<Resolved, ConfigError>,
) -> Result<Invocation, CliError> {
    if let (CHECK, Some(path)) = (name, place::path(matches)) {
        return Ok(Invocation::Check(path.clone()));
    }
    let resolved = resolved()?;
    if name == RESTORE {
        resolved.check_database_is_named()?;
    }
    let Config { listen, tls_cert, database_url, .. } = resolved.config;
    let instead = match name {
        BACKUP => {
            "backup: is for a SQLite file; back PostgreSQL up by pg_dump or its own archive, or by \
             `gitops-status-server export`"
        }
        RESTORE => {
            "restore: is for a SQLite file; restore PostgreSQL by pg_restore or its own archive"
        }
        _ => "check: is for a SQLite file; the server checks a PostgreSQL database every day",
    };
    let database = sqlite_file(database_url, instead)?;
    let place = Place::named(matches);
    Ok(match name {
        BACKUP => {
            let server = OwnServer {
                address: reachable(listen),
                certificate: tls_cert.map(|file| file.as_path().to_owned()),
                token: token(matches, environment)?,
            };
            Invocation::Backup(Box::new(TakeBackup { database, server, place }))
        }
        RESTORE => {
            let replaces = matches.get_flag(REPLACE);
            Invocation::Restore(RestoreBackup { database, from: place, replaces })
        }
        _ => Invocation::Check(database),
    })
}

/// Finds the token: a flag goes before the environment, and a file before a value.
fn token(matches: &ArgMatches, environment: &Lookup<'_>) -> Result<Option<SentToken>, CliError> {
    let of_file = format!("{TOKEN_VARIABLE}_FILE");
    let flag = matches.get_one::<PathBuf>(TOKEN_FILE).cloned();
    let file = match flag {
        Some(path) => Some((format!("flag --{TOKEN_FILE} {}", download::shown(&path)), path)),
        None => environment(&of_file).filter(|path| !path.is_empty()).map(|path| {
            let path = PathBuf::from(path);
            (format!("environment {of_file} {}", download::shown(&path)), path)
        }),
    };
    let (place, text) = match file {
        Some((place, path)) => {
            let text = text_file::read(&path).map_err(|error| {
                ConfigError::new(place.as_str(), format!("cannot read: {error}"))
            })?;
            (place, text)
        }
        None => match environment(TOKEN_VARIABLE) {
            Some(text) => (
                format!("environment {TOKEN_VARIABLE}"),
                text.into_string().unwrap_or_else(|_| "?".to_owned()),
            ),
            None => return Ok(None),
        },
    };
    let text = text.trim();
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_plain {
        return Err(ConfigError::new(place, "expected one token, gss_<id>_<secret>").into());
    }
    Ok(Some(SentToken(text.to_owned())))
}

/// Makes a backup, and returns what was made, as text.
///
/// # Errors
/// See [`TakeError`].
pub async fn backup(take: &TakeBackup) -> Result<String, TakeError> {
    let TakeBackup { database, server, place } = take;
    let replaced = place.replaced().map_err(|error| of_place(place, error))?;
    let bytes = match SqliteStore::closed(database).await {
        Ok(closed) => {
            let mut copied = closed.back_up(replaced.clone()).await?;
            if replaced.is_none() {
                let written = place.open().and_then(|mut output| {
                    io::copy(&mut copied.file, &mut output)?;
                    output.flush()
                });
                written.map_err(|error| of_place(place, error))?;
            }
            copied.bytes
        }
        Err(OpenError::InUse(_)) => {
            if let Some(path) = replaced {
                file_from_server(server, &path)?
            } else {
                let mut output = place.open().map_err(|error| of_place(place, error))?;
                let written = download::download(server, &mut *output)?;
                written.map_err(|error| of_place(place, error))?
            }
        }
        Err(error) => return Err(error.into()),
    };
    Ok(match place {
        Place::File(path) => format!("{}: {bytes} bytes, whole and checked\n", path.display()),
        Place::Standard => format!("{bytes} bytes, whole and checked\n"),
    })
}

/// Takes a backup from the server to a file, and returns its size.
fn file_from_server(server: &OwnServer, path: &Path) -> Result<u64, TakeError> {
    let mut unfinished = Unfinished::create(path, MODE).map_err(|error| of_file(path, error))?;
    let bytes = download::download(server, &mut unfinished.file)?;
    let put = bytes.and_then(|bytes| unfinished.put(path).map(|()| bytes));
    put.map_err(|error| of_file(path, error))
}

fn of_place(place: &Place, error: io::Error) -> TakeError {
    match place {
        Place::Standard => TakeError::File { file: "standard output".to_owned(), error },
        Place::File(path) => of_file(path, error),
    }
}

fn of_file(path: &Path, error: io::Error) -> TakeError {
    TakeError::File { file: download::shown(path), error }
}

/// Puts a backup where a database is to be, and returns what it holds, as text. `at` is the time.
///
/// # Errors
/// As [`SqliteStore::restore`].
pub async fn restore(restore: &RestoreBackup, at: Timestamp) -> Result<String, OpenError> {
    let RestoreBackup { database, from, replaces } = restore;
    let (name, source) = match from {
        Place::Standard => {
            ("standard input".to_owned(), BackupSource::Stream(Box::new(io::stdin())))
        }
        Place::File(path) => {
            let path = backups_at(path)?.pop().unwrap_or_default();
            (path.display().to_string(), BackupSource::File(path))
        }
    };
    let restored = SqliteStore::restore(database, source, *replaces, at).await?;
    let Restored { holding, kept } = restored;
    let kept = kept.map(|kept| format!("What was there was kept: {}\n", kept.display()));
    Ok(format!(
        "{} was restored from {name}: {}\n{}",
        database.display(),
        in_words(&holding),
        kept.unwrap_or_default()
    ))
}

/// Looks through a database, a backup or each backup of a folder, and returns what they hold, as text,
/// and why each one that is not sound is refused.
///
/// # Errors
/// There is no backup in the folder.
pub async fn check(path: &Path) -> Result<(String, Vec<OpenError>), OpenError> {
    let (mut lines, mut refused) = (Vec::new(), Vec::new());
    for path in backups_at(path)? {
        match SqliteStore::look_through(&path).await {
            Ok(holding) => {
                lines.push(format!("{} is sound: {}\n", path.display(), in_words(&holding)));
            }
            Err(error) => refused.push(error),
        }
    }
    Ok((lines.concat(), refused))
}

/// Returns the backups of a folder, the oldest first, or the path of a single one.
fn backups_at(path: &Path) -> Result<Vec<PathBuf>, OpenError> {
    if path.is_dir() { SqliteStore::backups_in(path) } else { Ok(vec![path.to_owned()]) }
}

fn in_words(holding: &Holding) -> String {
    let Holding { store_id, revision, is_older, entries, transitions, last_update } = holding;
    let last = last_update.map(|at| format!(", the last update of {at}")).unwrap_or_default();
    let older = if *is_older {
        ", of an older version, which a start or a restore brings up to date"
    } else {
        ""
    };
    format!(
        "store {store_id} at revision {revision}, {entries} entries, {transitions} changes{last}{older}"
    )
}
