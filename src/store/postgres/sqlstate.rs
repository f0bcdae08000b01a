//! What the error codes of PostgreSQL mean for a commit.

use sqlx::postgres::{PgDatabaseError, PgSeverity};

use crate::store::{CommitError, StoreError};

/// The disk is full.
const DISK_FULL: &str = "53100";
/// A page cannot be what PostgreSQL wrote.
const DAMAGED: [&str; 2] = ["XX001", "XX002"];
/// Raised by `commit_v1`: rows are gone that no replica has removed.
const GONE: &str = "GS001";
/// The classes of errors that come of a value: it cannot be stored, breaks a constraint, or is too
/// long.
const OF_CONTENT: [&str; 3] = ["22", "23", "54"];

/// Classifies the failure of a commit's statement.
///
/// The server undoes a statement that it reports as failed. Only for an error that ends the session,
/// or that is none of the server's, nobody knows.
pub(super) fn failure(error: StoreError) -> CommitError {
    let StoreError::Unavailable(cause) = &error else { return CommitError::Unknown(error) };
    let code = cause.downcast_ref::<sqlx::Error>().and_then(code_of_undone);
    match code {
        Some(GONE) => CommitError::Diverged,
        Some(DISK_FULL) => CommitError::NoSpace(error),
        Some(code) if is_damage(code) || OF_CONTENT.iter().any(|class| code.starts_with(class)) => {
            CommitError::Content(error)
        }
        Some(_) | None => CommitError::Unknown(error),
    }
}

/// Returns the reason if an error reports damage of what is stored.
pub(super) fn damage(error: &StoreError) -> Option<String> {
    match error {
        StoreError::Damaged { .. } => Some(error.to_string()),
        StoreError::Unavailable(cause) => {
            let code = cause.downcast_ref::<sqlx::Error>().and_then(code_of_undone)?;
            is_damage(code).then(|| error.to_string())
        }
        _ => None,
    }
}

/// Whether an error says that a statement took too long for the server, or was cancelled.
pub(super) fn is_given_up(error: &StoreError) -> bool {
    /// `query_canceled`.
    const CANCELED: &str = "57014";
    let StoreError::Unavailable(cause) = error else { return false };
    cause.downcast_ref::<sqlx::Error>().and_then(code_of_undone) == Some(CANCELED)
}

fn is_damage(code: &str) -> bool {
    DAMAGED.contains(&code)
}

/// Returns the code of an error after which the session goes on.
fn code_of_undone(error: &sqlx::Error) -> Option<&str> {
    let error = error.as_database_error()?.try_downcast_ref::<PgDatabaseError>()?;
    matches!(error.severity(), PgSeverity::Error).then(|| error.code())
}
