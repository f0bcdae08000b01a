//! The result codes of SQLite that the store distinguishes: <https://sqlite.org/rescode.html>.

/// The statement does not fit the schema, for one: a table or column is missing.
pub(super) const ERROR: i32 = 1;
/// Another connection has had a lock for too long.
pub(super) const BUSY: i32 = 5;
/// A progress handler has ended the statement.
pub(super) const INTERRUPT: i32 = 9;
pub(super) const CORRUPT: i32 = 11;
/// The disk has no space for a write (ENOSPC).
pub(super) const FULL: i32 = 13;
/// A text would get longer than 10⁹ bytes.
pub(super) const TOOBIG: i32 = 18;
pub(super) const CONSTRAINT: i32 = 19;
pub(super) const MISMATCH: i32 = 20;
pub(super) const NOTADB: i32 = 26;
/// Extended: the disk does not return a page.
pub(super) const IOERR_READ: i32 = 266;
/// Extended: the commit hook has refused the commit.
pub(super) const CONSTRAINT_COMMITHOOK: i32 = 531;

/// Whether a statement may have left commits in the log that the disk lacks: its sync may have failed.
/// These codes are from before a sync.
pub(super) fn may_be_unsynced(error: &sqlx::Error) -> bool {
    let before = [BUSY, CORRUPT, FULL, TOOBIG, CONSTRAINT, MISMATCH, NOTADB];
    match primary(error) {
        Some(code) => !before.contains(&code),
        None => !matches!(error, sqlx::Error::Encode(_)),
    }
}

/// Returns the extended result code of an error.
pub(super) fn extended(error: &sqlx::Error) -> Option<i32> {
    error.as_database_error()?.code()?.parse().ok()
}

/// Returns the primary result code of an error.
pub(super) fn primary(error: &sqlx::Error) -> Option<i32> {
    extended(error).map(|code| code & 0xff)
}
