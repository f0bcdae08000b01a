//! `export` and `import`: moves everything between databases, through a file or a pipe.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter};
use std::path::Path;

use clap::Command;

use super::place::{Place, Unfinished, argument};
use crate::domain::Timestamp;
use crate::store::{Contents, Incoming, Outgoing};
use crate::transfer::{self, Imported, Progress, TransferError};

pub(super) const EXPORT: &str = "export";
pub(super) const IMPORT: &str = "import";

/// Describes `export`.
pub(super) fn export_command() -> Command {
    Command::new(EXPORT)
        .about("Write entries and history as lines of JSON for `import`, also beside a running server")
        .after_help(
            "It reads one state of the database from beginning to end. Beside a server, the write-ahead \
             log grows\nuntil then, so write to a file rather than into a slow pipe. Without one, no server \
             can start until then.\nIt replaces FILE only by a whole export, and follows a symbolic link.",
        )
        .arg(argument("Where to write it [default: standard output]").required(false))
}

/// Describes `import`.
pub(super) fn import_command() -> Command {
    Command::new(IMPORT)
        .about("Fill an empty database with what `export` has written; stop the server first")
        .after_help(
            "A flag, the environment or the file of --config has to name the database, which is empty or does \
             not\nexist yet. It gets all of it or nothing, and an id of its own.",
        )
        .arg(argument("What to read; - is standard input").required(true))
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
    let contents = if let Some(path) = place.replaced().map_err(in_place(place))? {
        replace(&path, store, at, progress).await?
    } else {
        let output = place.open().map_err(in_place(place))?;
        transfer::export(store, at, &mut BufWriter::new(output), progress).await?
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
    at: Timestamp,
    progress: &mut Progress,
) -> Result<String, TransferError> {
    let mut input: Box<dyn BufRead + Send> = match place {
        Place::Standard => Box::new(BufReader::new(io::stdin())),
        Place::File(path) => Box::new(BufReader::new(File::open(path).map_err(in_file(path))?)),
    };
    let Imported { counts, store_id, revision, exported_at } =
        transfer::import(&mut *input, store, at, progress).await?;
    Ok(format!(
        "Imported store {store_id} as it was at revision {revision}, {exported_at}. {counts}\n"
    ))
}

/// Writes an export beside a file, and puts it in the place of that file once it is whole.
async fn replace(
    path: &Path,
    store: &mut dyn Outgoing,
    at: Timestamp,
    progress: &mut Progress,
) -> Result<Contents, TransferError> {
    let created = Unfinished::create(path, 0o666);
    let unfinished = created.map_err(in_file(&Unfinished::beside(path)))?;
    let contents =
        transfer::export(store, at, &mut BufWriter::new(&unfinished.file), progress).await?;
    unfinished.put(path).map_err(in_file(path))?;
    Ok(contents)
}

fn in_place(place: &Place) -> impl FnOnce(io::Error) -> TransferError {
    in_file(match place {
        Place::Standard => Path::new("-"),
        Place::File(path) => path,
    })
}

fn in_file(path: &Path) -> impl FnOnce(io::Error) -> TransferError {
    let path = path.to_owned();
    move |error| TransferError::File { path, error }
}
