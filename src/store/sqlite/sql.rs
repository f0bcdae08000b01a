//! The SQL of the SQLite store. All of it is constant, so each connection prepares it once.
//!
//! The lists of columns are in `store::record`.

pub(super) use crate::store::record::transition_columns;
use crate::store::record::{entry_columns, sighting_columns};

/// [`TOMBSTONES_KEPT`] as a literal for SQL.
macro_rules! tombstones_kept {
    () => {
        10_000
    };
}

/// The number of revisions for which the database remembers removed pairs.
pub(super) const TOMBSTONES_KEPT: i64 = tombstones_kept!();

/// The view whose triggers make a commit one statement, which SQLite rolls back as a whole if
/// anything fails. They are temporary because triggers of the schema are not trusted.
///
/// SQLite does not define the order of triggers, so none depends on another: each computes the
/// commit's revision as `new.expected + 1`. An empty parameter is null; its trigger does not fire.
///
/// Rows come from `jsonb_each`: `json_each` would write each as text, and `->>` would parse it
/// again.
pub(super) const PREPARE: &str = concat!(
    r"
create temp view batch (expected, put, removed, transitions, seen, folded, until, trim) as
    select null, null, null, null, null, null, null, null;

create temp trigger batch_count instead of insert on batch
begin
    select raise(abort, 'revision moved')
        where (select revision from meta) is not new.expected;

    update meta set revision = revision + 1;
end;

create temp trigger batch_put instead of insert on batch when new.put is not null
begin
    insert into entries (repo, server, ",
    entry_columns!(names),
    r"revision)
    select value ->> 0, value ->> 1, ",
    entry_columns!(values),
    r"new.expected + 1
    from jsonb_each(new.put)
    where true
    on conflict (repo, server) do update set ",
    entry_columns!(set "excluded"),
    r"revision = excluded.revision;
end;

create temp trigger batch_remove instead of insert on batch when new.removed is not null
begin
    delete from entries
        where (repo, server) in (select value ->> 0, value ->> 1 from jsonb_each(new.removed));

    insert into tombstones (repo, server, revision)
    select value ->> 0, value ->> 1, new.expected + 1
    from jsonb_each(new.removed)
    where true
    on conflict (repo, server) do update set revision = excluded.revision;

    delete from tombstones where revision < new.expected - ",
    tombstones_kept!(),
    r";
end;

create temp trigger batch_tell instead of insert on batch when new.transitions is not null
begin
    insert into transitions (repo, server, ",
    transition_columns!(names),
    r"revision)
    select value ->> 0, value ->> 1, ",
    transition_columns!(values),
    r"new.expected + 1
    from jsonb_each(new.transitions);
end;

create temp trigger batch_see instead of insert on batch when new.seen is not null
begin
    insert into sightings (revision, seen) values (new.expected + 1, new.seen);
end;

create temp trigger batch_fold instead of insert on batch when new.folded is not null
begin
    update entries set ",
    sighting_columns!(set "fold"),
    r"revision = new.until
        from (
            select ",
    sighting_columns!(values),
    r"value ->> 0 as repo, value ->> 1 as server
            from jsonb_each(new.folded)
        ) as fold
        where entries.repo = fold.repo and entries.server = fold.server
            and entries.revision < new.until;
end;

create temp trigger batch_trim instead of insert on batch when new.trim is not null
begin
    delete from sightings where revision <= new.trim;
end;
"
);

/// Commits a plan: the expected revision, the fields of [`super::rows::Parameters`], then the
/// revision that folded entries are as of, and the one up to which the log is deleted.
pub(super) const COMMIT: &str = "insert into batch \
     (expected, put, removed, transitions, seen, folded, until, trim) \
     values ($1, $2, $3, $4, $5, $6, $7, $8)";

/// The revision of the last commit.
pub(super) const REVISION: &str = "select revision from meta";

/// Copies what it can of the log into the database, without waiting for readers.
pub(super) const MOVE_LOG: &str = "pragma wal_checkpoint(passive)";

/// Copies all of the log into the database, and waits for connections that read an older part of it.
pub(super) const COPY_LOG: &str = "pragma wal_checkpoint(full)";

/// Copies all of the log into the database and empties it, if no other connection reads from it.
pub(super) const EMPTY_LOG: &str = "pragma wal_checkpoint(truncate)";
/// Copies all of the log into the database, so that the next commit begins it anew, if no other
/// connection reads from it.
pub(super) const RESTART_LOG: &str = "pragma wal_checkpoint(restart)";
/// Lets nobody else write to the log, or start it over, until the end of the transaction.
pub(super) const KEEP_LOG: &str = "begin immediate";
/// Lets statements that are blocked by other connections fail at once.
pub(super) const DO_NOT_WAIT: &str = "pragma busy_timeout = 0";
/// Restores the timeout that `super::connection` has set.
pub(super) const WAIT: &str = "pragma busy_timeout = 5000";

/// The number of free pages, and whether they can be returned a few at a time.
pub(super) const FREE_PAGES: &str = "\
    select \
        (select freelist_count from pragma_freelist_count) as free, \
        (select page_size from pragma_page_size) as page_size, \
        (select auto_vacuum from pragma_auto_vacuum) = 2 as is_incremental";

/// Returns free pages: as many as take some milliseconds if another page has to move for each.
pub(super) const GIVE_PAGES_BACK: &str = "pragma incremental_vacuum(128)";

/// The identity and revision of the database.
pub(super) const META: &str = "select store_id, revision from meta";

/// When the database was restored or imported. Older versions lack this.
pub(super) const RESTORED_AT: &str = "select restored_at from meta";

/// Sets the moment of the restore to `$1`, if `$2` is stored.
pub(super) const PUT_RESTORED_AT: &str = "update meta set restored_at = $1 where restored_at = $2";

/// An entry as a JSON array, as `store::record` reads it.
///
/// `group_concat` joins many of them a third faster than `json_group_array`.
macro_rules! entry_as_json {
    () => {
        concat!("json_array(repo, server, ", entry_columns!(names), "revision)")
    };
}

/// A transition as a JSON array, as `store::record` reads it.
macro_rules! transition_as_json {
    () => {
        concat!(
            "json_array(repo, server, ",
            $crate::store::sqlite::sql::transition_columns!(names),
            "id)"
        )
    };
}
pub(super) use transition_as_json;

/// Up to `$3` entries after a pair, as one JSON array; and the pair of the last one, if there are
/// `$3`.
pub(super) const ENTRIES_AFTER: &str = concat!(
    "select '[' || coalesce(group_concat(entry), '') || ']' as page, ( \
         select json_array(repo, server) from entries where (repo, server) > ($1, $2) \
         order by repo, server limit 1 offset $3 - 1 \
     ) as last \
     from (select ",
    entry_as_json!(),
    " as entry from entries where (repo, server) > ($1, $2) order by repo, server limit $3)"
);

/// How many of up to `$3` entries after a pair have files of at most `$4` bytes together. This
/// reads no files: SQLite stores the length of a text in front of it.
pub(super) const ENTRIES_THAT_FIT: &str = "select count(*) from ( \
         select sum(size) over (order by repo, server rows unbounded preceding) as total from ( \
             select repo, server, octet_length(files) as size from entries \
             where (repo, server) > ($1, $2) order by repo, server limit $3 \
         ) \
     ) where total <= $4";

/// Up to `$3` entries after a pair, each as a JSON array of one row.
pub(super) const ENTRY_ROWS_AFTER: &str = concat!(
    "select repo, server, json_array(",
    entry_as_json!(),
    ") as entry from entries where (repo, server) > ($1, $2) order by repo, server limit $3"
);

/// The entries of some pairs in the order of their keys, as one JSON array.
pub(super) const ENTRIES_OF: &str = concat!(
    "select '[' || coalesce(group_concat(entry), '') || ']' from (select ",
    entry_as_json!(),
    " as entry from ( \
         select value ->> 0 as repo, value ->> 1 as server from jsonb_each($1) \
     ) cross join entries using (repo, server) order by repo, server)"
);

/// The entries whose rows were written after a revision, each as a JSON array of one row.
pub(super) const ENTRIES_SINCE: &str = concat!(
    "select json_array(",
    entry_as_json!(),
    ") from entries where revision > $1 order by repo, server"
);

/// The log of sightings after a revision.
pub(super) const SIGHTINGS_SINCE: &str =
    "select revision, seen from sightings where revision > $1 order by revision";

/// Up to `$2` rows of the log of sightings after a revision.
pub(super) const SIGHTINGS_AFTER: &str =
    "select revision, seen from sightings where revision > $1 order by revision limit $2";

/// The pairs that were removed after a revision and have not come back.
pub(super) const REMOVED_SINCE: &str = "select repo, server from tombstones \
     where revision > $1 and (repo, server) not in (select repo, server from entries)";

/// The outages of the server.
pub(super) const OUTAGES: &str = "select began, ended from outages order by began";
/// Puts outages in place of others, in two steps.
pub(super) const PUT_OUTAGES: [&str; 2] = [
    "insert into outages (began, ended) \
     select value ->> 0, value ->> 1 from json_each($1) where true \
     on conflict (began) do update set ended = excluded.ended",
    "delete from outages where began not in (select value ->> 0 from json_each($1))",
];

/// Deletes some transitions.
pub(super) const PRUNE: &str =
    "delete from transitions where id in (select value from json_each($1))";

/// Whether an error is the trigger's report of an unexpected revision.
pub(super) fn is_moved(error: &sqlx::Error) -> bool {
    let database_error = error.as_database_error();
    database_error.is_some_and(|error| error.message() == "revision moved")
}
