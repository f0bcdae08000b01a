//! A database that no server has open: copied, looked through, and replaced by a copy.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use super::draft::{Draft, check_room, unnamed};
use super::folder;
use crate::store::sqlite::aside::blocking;
use crate::store::sqlite::file::{Lock, beside};
use crate::store::sqlite::inspect::{Rejected, check_header};
use crate::store::sqlite::open::take_lock;
use crate::store::sqlite::store::SqliteStore;
use crate::store::sqlite::wal;
use crate::store::{BackupError, Copied, OpenError};

/// A database that is locked for this process.
#[derive(Debug)]
pub struct ClosedDatabase {
    path: PathBuf,
    _lock: Lock,
}

impl SqliteStore {
    /// Locks a database that no server has open, to copy it.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn closed(path: &Path) -> Result<ClosedDatabase, OpenError> {
        let named = path.to_owned();
        let locked = blocking(move || {
            let (resolved, lock) = take_lock(&named)?;
            let usable = check_usable(&resolved);
            usable.map_err(|unfit| unfit.at(&named))?;
            Ok(ClosedDatabase { path: resolved, _lock: lock })
        });
        locked.await.map_err(|error| Rejected::from(error).at(path))?
    }
}

fn check_usable(path: &Path) -> Result<(), Rejected> {
    if !path.try_exists()? {
        return Err(Rejected::Unreadable("there is no such file".into()));
    }
    check_header(path)?;
    if wal::lost_commits(path)? > 0 {
        let reason = "its log is damaged: start the server, which says what is lost, and stop it";
        return Err(Rejected::Unreadable(reason.into()));
    }
    Ok(())
}

impl ClosedDatabase {
    /// Makes a whole copy: at a path, where another file may be, or beside the database without a name.
    ///
    /// # Errors
    /// See [`BackupError`].
    pub async fn back_up(&self, target: Option<PathBuf>) -> Result<Copied, BackupError> {
        let path = target.as_deref().map_or_else(|| unnamed(&self.path), folder::draft_of);
        let source = self.path.clone();
        let draft = blocking(move || {
            let (draft, file) = Draft::create(path)?;
            copy_files(&source, &draft, file)?;
            Ok::<_, BackupError>(draft)
        });
        let (draft, stop) = (draft.await??, CancellationToken::new());
        draft.settle(&stop).await?;
        let (bytes, sha256) = draft.digest(&stop).await?;
        let file = blocking(move || match target {
            Some(target) => {
                draft.put(&target)?;
                File::open(target)
            }
            None => draft.unname(),
        });
        Ok(Copied { file: file.await??, bytes, sha256, at: None })
    }
}

/// Copies a database, and its log if it has one, to a draft.
fn copy_files(source: &Path, draft: &Draft, file: File) -> Result<(), BackupError> {
    check_room(&draft.path, size_with_log(source)?)?;
    Ok(copy_with_log(source, draft, file)?)
}

/// Returns the size of a database that no server has open, and of its log if it has one.
pub(super) fn size_with_log(source: &Path) -> io::Result<u64> {
    let log = beside(source, "-wal").metadata().map_or(0, |log| log.len());
    Ok(source.metadata()?.len().saturating_add(log))
}

/// Copies a database that no server has open, and its log if it has one, to a draft.
pub(super) fn copy_with_log(source: &Path, draft: &Draft, mut file: File) -> io::Result<()> {
    io::copy(&mut File::open(source)?, &mut file)?;
    let log = beside(source, "-wal");
    if log.metadata().is_ok_and(|log| log.len() > 0) {
        io::copy(&mut File::open(log)?, &mut File::create(beside(&draft.path, "-wal"))?)?;
    }
    Ok(())
}
