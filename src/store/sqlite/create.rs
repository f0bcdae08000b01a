//! Creates a new database file.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection};

use super::file::beside;
use super::schema::take_steps;
use crate::store::StoreError;

/// Creates a database with the whole schema and no rows.
///
/// It is created under another name, synced, and renamed. A kill at any moment leaves no database
/// or a complete one, never an empty file.
pub(super) async fn create(path: &Path, migrator: &Migrator) -> Result<(), StoreError> {
    let unfinished = beside(path, ".new");
    let mut connection = connect_to_new(&unfinished).await?;
    take_steps(&mut connection, migrator, None).await?;
    connection.close().await?;
    File::open(&unfinished)?.sync_all()?;
    rename_to_nothing(&unfinished, path)?;
    sync_folder_of(path)?;
    Ok(())
}

/// Creates a file without a schema, under a name that only an unfinished file can have.
pub(super) async fn connect_to_new(unfinished: &Path) -> Result<SqliteConnection, StoreError> {
    remove_unfinished(unfinished)?;
    let options = SqliteConnectOptions::new()
        .filename(unfinished)
        .create_if_missing(true)
        // Lets free pages be returned. The mode cannot be changed once there is a table.
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .journal_mode(SqliteJournalMode::Delete)
        .synchronous(SqliteSynchronous::Full);
    Ok(options.disable_statement_logging().connect().await?)
}

pub(super) fn remove_unfinished(unfinished: &Path) -> io::Result<()> {
    remove_if_there(unfinished)?;
    remove_if_there(&beside(unfinished, "-journal"))
}

/// Renames a file, unless that would overwrite another one.
pub(super) fn rename_to_nothing(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Some file systems and old kernels do not support the flag.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) if !to.try_exists()? => {
            fs::rename(from, to)
        }
        done => Ok(done?),
    }
}

/// Gives a new file the owner and the permissions of the old one.
pub(super) fn take_access(old: &Path, new: &Path) -> io::Result<()> {
    let (of_old, of_new) = (fs::metadata(old)?, fs::metadata(new)?);
    if (of_old.uid(), of_old.gid()) != (of_new.uid(), of_new.gid()) {
        chown(new, Some(of_old.uid()), Some(of_old.gid()))?;
    }
    fs::set_permissions(new, of_old.permissions())
}

/// Makes a rename durable.
pub(super) fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

/// Returns the folder of a file.
pub(super) fn folder_of(path: &Path) -> &Path {
    let named = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    named.unwrap_or(Path::new("."))
}

pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_put_where_a_new_database_goes_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let [new, place] = ["status.db.new", "status.db"].map(|name| folder.path().join(name));
        fs::write(&new, "new").unwrap();
        fs::write(&place, "restored meanwhile").unwrap();
        let error = rename_to_nothing(&new, &place).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&place).unwrap(), "restored meanwhile");
        fs::remove_file(&place).unwrap();
        rename_to_nothing(&new, &place).unwrap();
        assert_eq!(fs::read_to_string(&place).unwrap(), "new");
    }
}
