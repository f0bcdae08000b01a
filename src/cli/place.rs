//! Where commands write to and read from: standard output or input, or a file.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, value_parser};

const FILE: &str = "file";
/// What a file that is not whole yet is called behind its name.
const UNFINISHED: &str = ".unfinished";

/// Where a command writes to or reads from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// Standard output or standard input.
    Standard,
    /// A file.
    File(PathBuf),
}

/// Describes the argument that names a place.
pub(super) fn argument(help: &'static str) -> Arg {
    Arg::new(FILE).value_name("FILE").help(help).value_parser(value_parser!(PathBuf))
}

/// Returns the path that a command line gives, if it gives one.
pub(super) fn path(matches: &ArgMatches) -> Option<&PathBuf> {
    matches.get_one(FILE)
}

impl Place {
    /// Returns the place that a command line names; standard output or input if it names none.
    pub(super) fn named(matches: &ArgMatches) -> Self {
        match path(matches) {
            Some(path) if path.as_os_str() != "-" => Self::File(path.clone()),
            Some(_) | None => Self::Standard,
        }
    }

    /// Returns the file that is to be replaced: of a symbolic link, the one that it leads to. There is
    /// none if the place is standard output, a pipe or a device.
    pub(super) fn replaced(&self) -> io::Result<Option<PathBuf>> {
        match self {
            Self::Standard => Ok(None),
            Self::File(path) if fs::metadata(path).is_ok_and(|found| !found.is_file()) => Ok(None),
            Self::File(path) if path.is_symlink() => fs::canonicalize(path).map(Some),
            Self::File(path) => Ok(Some(path.clone())),
        }
    }

    /// Opens what cannot be replaced.
    pub(super) fn open(&self) -> io::Result<Box<dyn Write + Send>> {
        Ok(match self {
            Self::Standard => Box::new(io::stdout()),
            Self::File(path) => Box::new(File::options().write(true).open(path)?),
        })
    }
}

/// A file that is written beside the one that it will replace. It is removed unless it is put there.
pub(super) struct Unfinished {
    pub(super) file: File,
    path: PathBuf,
}

impl Unfinished {
    /// Returns the path of the file beside one.
    pub(super) fn beside(path: &Path) -> PathBuf {
        let mut beside = path.as_os_str().to_owned();
        beside.push(UNFINISHED);
        beside.into()
    }

    /// Creates the file beside one, in the place of one that a kill has left.
    pub(super) fn create(path: &Path, mode: u32) -> io::Result<Self> {
        let path = Self::beside(path);
        fs::remove_file(&path).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })?;
        let file = File::options().write(true).create_new(true).mode(mode).open(&path)?;
        Ok(Self { file, path })
    }

    /// Puts the file in the place of another one, and makes that durable.
    pub(super) fn put(self, path: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, path)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // It is not there once it was put in its place. If this fails, the next one removes it.
        fs::remove_file(&self.path).ok();
    }
}
