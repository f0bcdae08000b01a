//! The commit of a plan: one statement, and what its failure means.

use std::sync::atomic::Ordering;

use sqlx::sqlite::SqliteConnection;

use super::rows::Parameters;
use super::sightings::FoldStep;
use super::store::SqliteStore;
use super::stored_entries::read_revision;
use super::writing::WriteConnection;
use super::{result_code as code, rows, sql};
use crate::domain::{Head, Plan, Revision};
use crate::store::rows::Rows;
use crate::store::{CommitError, CommitOutcome, Committed, StoreError};

impl SqliteStore {
    pub(super) async fn commit_plan(
        &self,
        expected: Head,
        plan: &Plan,
    ) -> Result<Committed, CommitError> {
        let mut writing = self.writing.lock().await;
        self.preloaded.lock().await.take();
        let mut connection = self.take(&mut writing).await.map_err(no_connection)?;
        let (mut step, mut failed) = (writing.sightings.next_step(plan), None);
        let mut written = write(&mut connection, expected.revision, plan, &step).await;
        if step.folds() && written.as_ref().is_err_and(is_content) {
            // The rows that are folded may be at fault, which does not concern the plan.
            if let Some(lost) = self.discard(&mut writing, connection, true).await {
                return Err(CommitError::Unknown(lost));
            }
            connection = self.take(&mut writing).await.map_err(no_connection)?;
            (step, failed) = (step.without_fold(), Some(step));
            written = write(&mut connection, expected.revision, plan, &step).await;
        }
        if let Err(error) = written {
            let is_log_synced = !code::may_be_unsynced(&error);
            let lost = self.discard(&mut writing, connection, is_log_synced).await;
            return Err(lost.map_or_else(|| failure(error), CommitError::Unknown));
        }
        let head = expected.next();
        let entries = plan.kept_of(self.entries.load(Ordering::Relaxed));
        self.entries.store(entries, Ordering::Relaxed);
        writing.sightings.note(entries, plan, &step, head.revision);
        if let Some(failed) = failed {
            writing.sightings.note_failure(plan, &failed);
        }
        // The commit itself has checked that the files are still there; see `connection::connect`.
        writing.connection = WriteConnection::Open(connection);
        self.bound_log();
        self.confirmed.store(head.revision.0, Ordering::Relaxed);
        Ok(Committed { head, missed: Vec::new() })
    }

    /// The lock keeps everybody else from committing, so the revision tells.
    pub(super) async fn outcome_since(&self, since: Head) -> Result<CommitOutcome, StoreError> {
        let mut writing = self.writing.lock().await;
        let mut connection = self.take(&mut writing).await?;
        let found = read_revision(&mut connection).await.map_err(StoreError::from);
        let found = self.give_back(&mut writing, connection, found).await?;
        Ok(if found == since.revision {
            CommitOutcome::NotMade { missed: Vec::new() }
        } else if found == since.revision.next() {
            self.confirmed.store(found.0, Ordering::Relaxed);
            CommitOutcome::Made(Committed { head: found.into(), missed: Vec::new() })
        } else {
            CommitOutcome::Reload
        })
    }
}

async fn write(
    connection: &mut SqliteConnection,
    expected: Revision,
    plan: &Plan,
    step: &FoldStep,
) -> Result<(), sqlx::Error> {
    let encoded = rows::encode(plan, step).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    let Parameters { rows: Rows { put, removed, transitions, seen }, folded } = encoded;
    sqlx::query(sql::COMMIT)
        .bind(expected.0)
        .bind(put)
        .bind(removed)
        .bind(transitions)
        .bind(seen)
        .bind(folded)
        .bind(step.until.0)
        .bind(step.trim.map(|revision| revision.0))
        .execute(connection)
        .await?;
    Ok(())
}

/// Classifies the failure of a commit's statement.
fn failure(error: sqlx::Error) -> CommitError {
    if sql::is_moved(&error) {
        CommitError::Diverged
    } else if is_content(&error) {
        CommitError::Content(error.into())
    } else if code::primary(&error) == Some(code::FULL) {
        CommitError::NoSpace(error.into())
    } else {
        CommitError::Unknown(error.into())
    }
}

/// Whether a statement failed because of what it writes, or of the pages that it needs for it.
fn is_content(error: &sqlx::Error) -> bool {
    match code::extended(error) {
        // The hook refuses to commit to files that are gone.
        Some(code::CONSTRAINT_COMMITHOOK) => false,
        Some(extended) => {
            let codes =
                [code::CORRUPT, code::NOTADB, code::TOOBIG, code::CONSTRAINT, code::MISMATCH];
            codes.contains(&(extended & 0xff)) && !sql::is_moved(error)
        }
        None => matches!(error, sqlx::Error::Encode(_)),
    }
}

/// Classifies the failure to connect, before the plan has reached the database.
fn no_connection(error: StoreError) -> CommitError {
    let cause = match &error {
        StoreError::Unavailable(cause) => cause.downcast_ref::<sqlx::Error>(),
        _ => None,
    };
    match cause.and_then(code::primary) {
        Some(code::FULL) => CommitError::NoSpace(error),
        _ => CommitError::Unknown(error),
    }
}
