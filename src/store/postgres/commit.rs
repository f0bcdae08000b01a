//! The commit of a plan: one call of a function of the database.
//!
//! `docs/decisions/0023-postgresql.md` has the protocol and its reasons.

use futures_util::TryStreamExt;
use sqlx::{PgConnection, Row};
use xxhash_rust::xxh3::Xxh3Default;

use super::feed::Commit;
use super::line::within;
use super::sql::{self, FORMAT};
use super::sqlstate::failure;
use super::store::PostgresStore;
use super::told::uuid;
use crate::domain::{Changes, Growth, KeyRef, Plan, Revision, Room};
use crate::store::rows::Rows;
use crate::store::{CommitError, CommitId, CommitOutcome, Committed, StoreError};

/// What `commit_v1` is asked.
struct Call<'a> {
    expected: Revision,
    expected_id: CommitId,
    id: CommitId,
    plan: &'a Plan,
    /// A commit that must not be made any more.
    settles: Option<CommitId>,
}

/// What `commit_v1` answers.
enum Verdict {
    Committed(Revision),
    Conflict,
    Diverged,
}

/// The answer, and what others have committed since the expected revision.
struct Answer {
    verdict: Verdict,
    missed: Vec<Commit>,
}

impl PostgresStore {
    pub(super) async fn commit_plan(
        &self,
        expected: Revision,
        id: CommitId,
        plan: &Plan,
    ) -> Result<Committed, CommitError> {
        let Some(expected_id) = self.told.id_of(expected) else {
            return Err(CommitError::Diverged);
        };
        let call = Call { expected, expected_id, id, plan, settles: None };
        let Answer { verdict, missed } = self.call(&call).await?;
        match verdict {
            Verdict::Committed(revision) => {
                self.told.note(revision, id);
                Ok(Committed { revision, missed: changes_of(missed) })
            }
            Verdict::Conflict => {
                if let Some(last) = missed.last() {
                    self.told.note(last.changes.revision, last.id);
                }
                Err(CommitError::Conflict(changes_of(missed)))
            }
            Verdict::Diverged => Err(CommitError::Diverged),
        }
    }

    /// Finds out what became of a commit by an empty one after it, which can only be confirmed once
    /// everything before it is durable, and after which the commit can no longer be made.
    pub(super) async fn outcome_of(
        &self,
        since: Revision,
        id: CommitId,
    ) -> Result<CommitOutcome, StoreError> {
        let Some(expected_id) = self.told.id_of(since) else { return Ok(CommitOutcome::Reload) };
        let (plan, settling) = (Plan::default(), CommitId::random());
        let call =
            Call { expected: since, expected_id, id: settling, plan: &plan, settles: Some(id) };
        let answer = match self.call(&call).await {
            Ok(answer) => answer,
            // What cannot be read is not adopted. The entries can still be loaded.
            Err(
                CommitError::Conflict(_)
                | CommitError::Diverged
                | CommitError::Unknown(StoreError::Damaged { .. }),
            ) => return Ok(CommitOutcome::Reload),
            Err(
                CommitError::Content(error)
                | CommitError::NoSpace(error)
                | CommitError::Unknown(error),
            ) => return Err(error),
        };
        let Answer { verdict: Verdict::Committed(revision), mut missed } = answer else {
            return Ok(CommitOutcome::Reload);
        };
        if let Some(place) = missed.iter().position(|commit| commit.id == id) {
            let made = missed.split_off(place).swap_remove(0).changes.revision;
            self.told.note(made, id);
            let missed = changes_of(missed);
            return Ok(CommitOutcome::Made(Committed { revision: made, missed }));
        }
        self.told.note(revision, settling);
        let mut missed = changes_of(missed);
        missed.push(Changes { revision, ..Changes::default() });
        Ok(CommitOutcome::NotMade { missed })
    }

    async fn call(&self, call: &Call<'_>) -> Result<Answer, CommitError> {
        let rows = Rows::of(call.plan, [])
            .map_err(|error| CommitError::Content(StoreError::Unavailable(Box::new(error))))?;
        let lent = self.writing.lend(&self.source).await;
        let mut loan = lent.map_err(CommitError::Unknown)?;
        let answer = within(self.writing.limits(), call.make(&mut loan.connection, rows)).await;
        loan.give_back(answer).map_err(failure)
    }
}

impl Call<'_> {
    async fn make(&self, connection: &mut PgConnection, rows: Rows) -> Result<Answer, StoreError> {
        let Self { expected, expected_id, id, plan, settles } = self;
        let keys: Vec<i64> = plan.rows().map(|row| hash(row.entry().key())).collect();
        let (growth, room): (Growth, Room) = (plan.growth(), plan.room());
        let Rows { put, removed, transitions, seen } = rows;
        let mut answers = sqlx::query(sql::COMMIT)
            .bind(expected.0)
            .bind(uuid(*expected_id))
            .bind(FORMAT)
            .bind(uuid(*id))
            .bind(keys)
            .bind(growth.entries)
            .bind(growth.bytes)
            .bind(room.entries)
            .bind(room.bytes)
            .bind(put)
            .bind(seen)
            .bind(removed)
            .bind(transitions)
            .bind(settles.map(uuid))
            .fetch(connection);
        let (mut missed, mut verdict) = (Vec::new(), None);
        while let Some(row) = answers.try_next().await? {
            match row.try_get(0)? {
                "missed" => missed.push(Commit::of_row(&row, 1)?),
                "committed" => verdict = Some(Verdict::Committed(Revision(row.try_get(1)?))),
                "conflict" => verdict = Some(Verdict::Conflict),
                "diverged" => verdict = Some(Verdict::Diverged),
                other => return Err(unknown(other)),
            }
        }
        let verdict = verdict.ok_or_else(|| unknown("nothing"))?;
        Ok(Answer { verdict, missed })
    }
}

fn unknown(answer: &str) -> StoreError {
    StoreError::Unavailable(format!("the function that commits has answered {answer}").into())
}

fn changes_of(commits: Vec<Commit>) -> Vec<Changes> {
    commits.into_iter().map(|commit| commit.changes).collect()
}

/// Hashes a pair, the same in each version of the program. Equal hashes of two pairs cost a commit
/// that has to be planned again.
fn hash(key: KeyRef<'_>) -> i64 {
    let mut hasher = Xxh3Default::new();
    hasher.update(key.repo.as_bytes());
    // No name has it.
    hasher.update(&[0]);
    hasher.update(key.server.as_bytes());
    hasher.digest().cast_signed()
}
