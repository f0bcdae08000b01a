//! The commit of a plan: one call of a function of the database.
//!
//! `docs/decisions/0023-postgresql.md` has the protocol and its reasons.

use futures_util::TryStreamExt;
use sqlx::{PgConnection, Row};
use xxhash_rust::xxh3::Xxh3Default;

use super::feed;
use super::line::within;
use super::sql::{self, FORMAT};
use super::sqlstate::failure;
use super::store::PostgresStore;
use crate::domain::{Changes, CommitId, Growth, Head, KeyRef, Plan, Revision, Room};
use crate::store::rows::Rows;
use crate::store::{CommitError, CommitOutcome, Committed, StoreError};

/// What `commit_v1` is asked.
struct Call<'a> {
    expected: Head,
    id: CommitId,
    plan: &'a Plan,
    /// A commit that must not be made any more.
    settles: Option<CommitId>,
}

/// What `commit_v1` answers.
enum Verdict {
    Committed(Revision),
    Conflict,
    /// Others have committed more than comes with the answer.
    Behind,
    Diverged,
}

/// The answer, and what others have committed since the expected head.
struct Answer {
    verdict: Verdict,
    missed: Vec<Changes>,
}

impl PostgresStore {
    pub(super) async fn commit_plan(
        &self,
        expected: Head,
        id: CommitId,
        plan: &Plan,
    ) -> Result<Committed, CommitError> {
        let Answer { verdict, missed } =
            self.call(&Call { expected, id, plan, settles: None }).await?;
        match verdict {
            Verdict::Committed(revision) => Ok(Committed { head: Head { revision, id }, missed }),
            Verdict::Conflict => Err(CommitError::Conflict(missed)),
            Verdict::Behind => Err(self.next_missed(expected).await?),
            Verdict::Diverged => Err(CommitError::Diverged),
        }
    }

    /// Reads what others have committed since, for a plan that has to be made again after it.
    async fn next_missed(&self, since: Head) -> Result<CommitError, CommitError> {
        let missed = self.missed_since(since, &self.writing).await.map_err(CommitError::Unknown)?;
        Ok(missed.map_or(CommitError::Diverged, CommitError::Conflict))
    }

    /// Finds out what became of a commit by an empty one after it, which can only be confirmed once
    /// everything before it is durable, and after which the commit can no longer be made.
    pub(super) async fn outcome_of(
        &self,
        since: Head,
        id: CommitId,
    ) -> Result<CommitOutcome, StoreError> {
        let (plan, settling) = (Plan::default(), CommitId::random());
        let (mut earlier, mut head) = (Vec::new(), since);
        let answer = loop {
            let call = Call { expected: head, id: settling, plan: &plan, settles: Some(id) };
            let answer = self.call(&call).await;
            if !matches!(answer, Ok(Answer { verdict: Verdict::Behind, .. })) {
                break answer;
            }
            let missed = self.missed_since(head, &self.writing).await?;
            let Some(last) = missed.as_ref().and_then(|missed| missed.last()) else {
                return Ok(CommitOutcome::Reload);
            };
            head = last.head;
            earlier.extend(missed.into_iter().flatten());
        };
        let answer = match answer {
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
        let Answer { verdict: Verdict::Committed(revision), missed } = answer else {
            return Ok(CommitOutcome::Reload);
        };
        let mut missed: Vec<Changes> = earlier.into_iter().chain(missed).collect();
        if let Some(place) = missed.iter().position(|changes| changes.head.id == id) {
            let head = missed.split_off(place).swap_remove(0).head;
            return Ok(CommitOutcome::Made(Committed { head, missed }));
        }
        let head = Head { revision, id: settling };
        missed.push(Changes { head, ..Changes::default() });
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
        let Self { expected, id, plan, settles } = self;
        let keys: Vec<i64> = plan.rows().map(|row| hash(row.entry().key())).collect();
        let (growth, room): (Growth, Room) = (plan.growth(), plan.room());
        let Rows { put, removed, transitions, seen } = rows;
        let mut answers = sqlx::query(sql::COMMIT)
            .bind(expected.revision.0)
            .bind(uuid(expected.id))
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
                "missed" => missed.push(feed::read_commit(&row, 1)?),
                "committed" => verdict = Some(Verdict::Committed(Revision(row.try_get(1)?))),
                "conflict" => verdict = Some(Verdict::Conflict),
                "behind" => verdict = Some(Verdict::Behind),
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

/// Writes an id as PostgreSQL reads a `uuid`.
pub(super) fn uuid(id: CommitId) -> String {
    format!("{:032x}", id.0)
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
