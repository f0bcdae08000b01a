//! The SQL of the SQLite store. All of it is constant, so SQLite prepares it once a connection.

/// The view and its trigger that make a commit one statement, rolled back as a whole by SQLite
/// itself whatever fails. They are temporary because a schema is not trusted with triggers.
pub(super) const PREPARE: &str = r"
create temp view batch (expected, put, removed, transitions) as
    select null, null, null, null;

create temp trigger batch_commit instead of insert on batch
begin
    select raise(abort, 'revision moved')
        where (select revision from meta) is not new.expected;

    update meta set revision = revision + 1;

    insert into entries (
        repo, server, sync_status, drift_count, files, last_check, updated_at, status_since,
        stale_after_seconds, ttl_seconds, report_revision, url, stale_recorded, revision
    )
    select
        value ->> 0, value ->> 1, value ->> 2, value ->> 3, value -> 4, value ->> 5, value ->> 6,
        value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12,
        new.expected + 1
    from json_each(new.put)
    where true
    on conflict (repo, server) do update set
        sync_status = excluded.sync_status,
        drift_count = excluded.drift_count,
        files = excluded.files,
        last_check = excluded.last_check,
        updated_at = excluded.updated_at,
        status_since = excluded.status_since,
        stale_after_seconds = excluded.stale_after_seconds,
        ttl_seconds = excluded.ttl_seconds,
        report_revision = excluded.report_revision,
        url = excluded.url,
        stale_recorded = excluded.stale_recorded,
        revision = excluded.revision;

    delete from entries
        where (repo, server) in (select value ->> 0, value ->> 1 from json_each(new.removed));

    insert into tombstones (repo, server, revision)
    select value ->> 0, value ->> 1, new.expected + 1
    from json_each(new.removed)
    where true
    on conflict (repo, server) do update set revision = excluded.revision;

    delete from tombstones where revision < new.expected - 10000;

    insert into transitions (
        at, revision, repo, server, event, sync_status, drift_count, files_added,
        files_added_count, files_removed, files_removed_count, report_revision, url
    )
    select
        value ->> 0, new.expected + 1, value ->> 1, value ->> 2, value ->> 3, value ->> 4,
        value ->> 5, value -> 6, value ->> 7, value -> 8, value ->> 9, value ->> 10, value ->> 11
    from json_each(new.transitions);
end;
";

/// Commits a batch: expected revision, then three JSON arrays; see [`super::rows::encode`].
pub(super) const COMMIT: &str =
    "insert into batch (expected, put, removed, transitions) values ($1, $2, $3, $4)";

/// The number of the last commit.
pub(super) const REVISION: &str = "select revision from meta";

/// Writes without changing anything.
pub(super) const TOUCH: &str = "update meta set revision = revision";

/// What the database says of itself.
pub(super) const META: &str = "select store_id, revision from meta";

/// Every entry.
pub(super) const ALL_ENTRIES: &str = "select repo, server, sync_status, drift_count, files, \
     last_check, updated_at, status_since, stale_after_seconds, ttl_seconds, report_revision, \
     url, stale_recorded from entries order by repo, server";

/// The entries that were written after a revision.
pub(super) const ENTRIES_SINCE: &str = "select repo, server, sync_status, drift_count, files, \
     last_check, updated_at, status_since, stale_after_seconds, ttl_seconds, report_revision, \
     url, stale_recorded from entries where revision > $1 order by repo, server";

/// The pairs that were removed after a revision and have not come back.
pub(super) const REMOVED_SINCE: &str = "select repo, server from tombstones \
     where revision > $1 and (repo, server) not in (select repo, server from entries)";

/// Whether an error is the trigger's word that the revision is another one.
pub(super) fn is_moved(error: &sqlx::Error) -> bool {
    let database_error = error.as_database_error();
    database_error.is_some_and(|error| error.message() == "revision moved")
}
