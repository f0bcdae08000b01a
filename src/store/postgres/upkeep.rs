//! What is no commit: outages, meetings of replicas, deletions, measurements.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::commit::uuid;
use super::sql;
use super::stored_entries::{read_meta, read_outages};
use crate::domain::{CommitId, Outage, Revision, Timestamp, TransitionId};
use crate::store::{Meeting, Presence, Replica, StoreError};

/// How many commits are deleted by one statement.
const TRIMMED_AT_ONCE: i64 = 10_000;

/// Says that a replica runs, and asks for the others.
pub(super) async fn meet(
    connection: &mut PgConnection,
    id: CommitId,
    me: Presence<'_>,
) -> Result<Meeting, StoreError> {
    let id = uuid(id);
    let Presence { replica: Replica { name, version, settings }, ran_for, may_lead } = me;
    sqlx::query(sql::PRESENT)
        .bind(&id)
        .bind(name)
        .bind(version)
        .bind(settings)
        .bind(ran_for.map(|time| i64::try_from(time.as_millis()).unwrap_or(i64::MAX)))
        .execute(&mut *connection)
        .await?;
    let lead = if may_lead { sql::LEAD } else { sql::DO_NOT_LEAD };
    let lead = sqlx::query(lead).bind(&id).fetch_optional(&mut *connection).await?;
    let others = sqlx::query(sql::OTHERS).bind(&id).fetch_all(&mut *connection).await?;
    let other = |row: &PgRow| -> Result<_, sqlx::Error> {
        let [name, version, settings] = [row.try_get(0)?, row.try_get(1)?, row.try_get(2)?];
        let seen_at = Timestamp::from_millis(row.try_get(3)?);
        Ok((Replica { name, version, settings }, seen_at))
    };
    let others = others.iter().map(other).collect::<Result<_, _>>()?;
    let outages = read_outages(connection).await?;
    // Last, so that it is known who ran if an outage is not noted any more because of that.
    let times = sqlx::query(sql::RAN_SINCE_AND_NOW).fetch_one(connection).await?;
    let [ran_since, at] = [times.try_get(0)?, times.try_get(1)?].map(Timestamp::from_millis);
    Ok(Meeting { at, leads: lead.is_some(), others, outages, ran_since })
}

/// Says that a replica has ended.
pub(super) async fn part(connection: &mut PgConnection, id: CommitId) -> Result<(), StoreError> {
    sqlx::query(sql::ABSENT).bind(uuid(id)).execute(connection).await?;
    Ok(())
}

pub(super) async fn put_outages(
    connection: &mut PgConnection,
    outages: &[Outage],
    in_place_of: &[Outage],
) -> Result<(), StoreError> {
    let millis = |of: &dyn Fn(&Outage) -> Timestamp, outages: &[Outage]| -> Vec<i64> {
        outages.iter().map(|outage| of(outage).millis()).collect()
    };
    sqlx::query(sql::PUT_OUTAGES)
        .bind(millis(&|outage| outage.from, outages))
        .bind(millis(&|outage| outage.to, outages))
        .bind(millis(&|outage| outage.from, in_place_of))
        .execute(connection)
        .await?;
    Ok(())
}

/// Replaces the moment of the restore, and reads it.
pub(super) async fn put_restored_at(
    connection: &mut PgConnection,
    at: Timestamp,
    in_place_of: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    let put = sqlx::query(sql::PUT_RESTORED_AT).bind(at.millis()).bind(in_place_of.millis());
    put.execute(&mut *connection).await?;
    read_meta(connection).await.map(|(_, restored_at)| restored_at)
}

pub(super) async fn prune(
    connection: &mut PgConnection,
    transitions: &[TransitionId],
) -> Result<(), StoreError> {
    sqlx::query(sql::PRUNE).bind(transitions).execute(connection).await?;
    Ok(())
}

/// Deletes replicas, and some of the commits after one, that nobody needs any more. Returns the last one
/// that is gone, and whether there may be more to delete.
pub(super) async fn trim(
    connection: &mut PgConnection,
    after: Revision,
) -> Result<(Revision, bool), StoreError> {
    sqlx::query(sql::FORGET_REPLICAS).execute(&mut *connection).await?;
    let trim = sqlx::query(sql::TRIM_COMMITS).bind(after.0).bind(TRIMMED_AT_ONCE);
    let row = trim.fetch_one(connection).await?;
    let last = row.try_get::<Option<i64>, _>(1)?.map_or(after, Revision);
    Ok((last, row.try_get::<i64, _>(0)? == TRIMMED_AT_ONCE))
}

/// Makes sure that the database is the one that was opened, and can be written.
pub(super) async fn check(connection: &mut PgConnection, store_id: &str) -> Result<(), StoreError> {
    let row = sqlx::query(sql::STANDING).fetch_one(connection).await?;
    if row.try_get::<&str, _>(0)? != store_id {
        return Err(StoreError::Displaced);
    }
    if row.try_get(1)? {
        let reason = "the server has become a standby, or takes no writes";
        return Err(StoreError::Unavailable(reason.into()));
    }
    Ok(())
}

/// Returns the size of the database in bytes.
pub(super) async fn size(connection: &mut PgConnection) -> Result<u64, StoreError> {
    let bytes: i64 = sqlx::query_scalar(sql::SIZE).fetch_one(connection).await?;
    Ok(bytes.unsigned_abs())
}
