//! The commit of a plan: one statement, and what its failure means.

use std::sync::atomic::Ordering;

use sqlx::sqlite::SqliteConnection;

use super::sightings::FoldStep;
use super::store::{SqliteStore, WriteConnection};
use super::stored_entries::read_revision;
use super::{result_code as code, rows, sql};
use crate::domain::{Plan, Revision};
use crate::store::{CommitError, CommitOutcome, Committed, StoreError};

/// For how many commits nothing is folded after a fold has failed.
const COMMITS_WITHOUT_FOLD: i64 = 1000;

impl SqliteStore {
    pub(super) async fn commit_plan(
        &self,
        expected: Revision,
        plan: &Plan,
    ) -> Result<Committed, CommitError> {
        let mut slot = self.connection.lock().await;
        self.preloaded.lock().await.take();
        let mut writing = self.take(&mut slot).await.map_err(no_connection)?;
        let folds = expected.0 >= self.folds_from.load(Ordering::Relaxed);
        let mut step = if folds { writing.sightings.next_step(plan) } else { FoldStep::none() };
        let mut written = write(&mut writing.connection, expected, plan, &step).await;
        if !step.is_none() && written.as_ref().is_err_and(is_content) {
            // The rows that are folded may be at fault, which does not concern the plan.
            if let Some(lost) = self.discard(writing).await {
                return Err(CommitError::Unknown(lost));
            }
            writing = self.take(&mut slot).await.map_err(no_connection)?;
            step = FoldStep::none();
            written = write(&mut writing.connection, expected, plan, &step).await;
            if written.is_ok() {
                self.folds_from.store(expected.0 + COMMITS_WITHOUT_FOLD, Ordering::Relaxed);
            }
        }
        if let Err(error) = written {
            let lost = self.discard(writing).await;
            return Err(lost.map_or_else(|| failure(error), CommitError::Unknown));
        }
        let revision = expected.next();
        let entries = plan.kept_of(self.entries.load(Ordering::Relaxed));
        self.entries.store(entries, Ordering::Relaxed);
        writing.sightings.note(entries, plan, &step, revision);
        // The commit itself has checked that the files are still there; see `connection::connect`.
        *slot = WriteConnection::Open(writing);
        self.bound_log();
        self.confirmed.store(revision.0, Ordering::Relaxed);
        Ok(Committed { revision, missed: Vec::new() })
    }

    /// The lock keeps everybody else from committing, so the revision tells.
    pub(super) async fn outcome_since(&self, since: Revision) -> Result<CommitOutcome, StoreError> {
        let mut slot = self.connection.lock().await;
        let mut writing = self.take(&mut slot).await?;
        let found = read_revision(&mut writing.connection).await.map_err(StoreError::from);
        let found = self.give_back(&mut slot, writing, found).await?;
        Ok(if found == since {
            CommitOutcome::NotMade { missed: Vec::new() }
        } else if found == since.next() {
            self.confirmed.store(found.0, Ordering::Relaxed);
            CommitOutcome::Made(Committed { revision: found, missed: Vec::new() })
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
    let parameters =
        rows::encode(plan, &step.entries).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    sqlx::query(sql::COMMIT)
        .bind(expected.0)
        .bind(parameters.put)
        .bind(parameters.removed)
        .bind(parameters.transitions)
        .bind(parameters.seen)
        .bind(parameters.folded)
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
