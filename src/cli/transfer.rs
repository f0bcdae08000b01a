//! `export` and `import`: moves everything between databases, through a file or a pipe.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter};
use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Command, value_parser};

use super::download;
use crate::domain::Timestamp;
use crate::store::{Contents, Incoming, Outgoing};
use crate::transfer::{self, Imported, Progress, TransferError};

pub(super) const EXPORT: &str = "export";
pub(super) const IMPORT: &str = "import";

const FILE: &str = "file";

/// Where an export is written to or read from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// Standard output or standard input.
    Standard,
    /// A file.
    File(PathBuf),
}

/// Describes `export`.
pub(super) fn export_command() -> Command {
    Command::new(EXPORT)
        .about("Write entries and history as lines of JSON for `import`, also beside a running server")
        .after_help(
            "It reads one state of the database from beginning to end. Beside a server, the write-ahead \
             log grows\nuntil then, so write to a file rather than into a slow pipe. Without one, no server \
             can start until then.\nIt replaces FILE only by a whole export, and follows a symbolic link.",
        )
        .arg(file("Where to write it [default: standard output]").required(false))
}

/// Describes `import`.
pub(super) fn import_command() -> Command {
    Command::new(IMPORT)
        .about("Fill an empty database with what `export` has written; stop the server first")
        .after_help(
            "The database gets all of it or nothing, and an id of its own. It is empty or does not exist \
             yet.",
        )
        .arg(file("What to read; - is standard input").required(true))
}

fn file(help: &'static str) -> Arg {
    Arg::new(FILE).value_name("FILE").help(help).value_parser(value_parser!(PathBuf))
}

/// Returns the place that a command line names.
pub(super) fn place(matches: &ArgMatches) -> Place {
    match matches.get_one::<PathBuf>(FILE) {
        Some(path) if path.as_os_str() != "-" => Place::File(path.clone()),
        Some(_) | None => Place::Standard,
    }
}

/// Exports what a store holds, and returns what was exported, as text.
///
/// # Errors
/// See [`TransferError`].
pub async fn export(
    mut store: Box<dyn Outgoing>,
    place: &Place,
    at: Timestamp,
    progress: &mut Progress,
) -> Result<String, TransferError> {
    let store = &mut *store;
    let contents = match place {
        Place::Standard => {
            transfer::export(store, at, &mut BufWriter::new(io::stdout()), progress).await?
        }
        Place::File(path) if is_special(path) => {
            let file = File::options().write(true).open(path).map_err(in_file(path))?;
            transfer::export(store, at, &mut BufWriter::new(file), progress).await?
        }
        Place::File(path) => replace(path, store, at, progress).await?,
    };
    let Contents { store_id, revision, counts } = contents;
    Ok(format!("Exported store {store_id} at revision {}. {counts}\n", revision.0))
}

/// Imports into a store that holds nothing, and returns what was imported, as text.
///
/// # Errors
/// See [`TransferError`].
pub async fn import(
    store: Box<dyn Incoming>,
    place: &Place,
    progress: &mut Progress,
) -> Result<String, TransferError> {
    let mut input: Box<dyn BufRead + Send> = match place {
        Place::Standard => Box::new(BufReader::new(io::stdin())),
        Place::File(path) => Box::new(BufReader::new(File::open(path).map_err(in_file(path))?)),
    };
    let Imported { counts, store_id, revision, exported_at } =
        transfer::import(&mut *input, store, progress).await?;
    Ok(format!(
        "Imported store {store_id} as it was at revision {revision}, {exported_at}. {counts}\n"
    ))
}

/// Whether a path leads to a pipe or a device, which cannot be replaced.
fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| !found.is_file())
}

/// Writes an export beside a file, and puts it in the place of that file once it is whole. A link stays,
/// and the file that it leads to is replaced.
async fn replace(
    path: &Path,
    store: &mut dyn Outgoing,
    at: Timestamp,
    progress: &mut Progress,
) -> Result<Contents, TransferError> {
    let path = &download::followed(path).map_err(in_file(path))?;
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let unfinished = Path::new(&unfinished);
    let mut output = BufWriter::new(File::create(unfinished).map_err(in_file(unfinished))?);
    let exported = transfer::export(store, at, &mut output, progress).await;
    let kept = exported.and_then(|contents| {
        download::replace(path, unfinished, output.get_ref()).map_err(in_file(path))?;
        Ok(contents)
    });
    if kept.is_err() {
        fs::remove_file(unfinished).ok();
    }
    kept
}

fn in_file(path: &Path) -> impl FnOnce(io::Error) -> TransferError {
    let path = path.to_owned();
    move |error| TransferError::File { path, error }
}
