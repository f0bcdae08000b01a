//! The SQL of the PostgreSQL store, but for questions about the history. All of it is constant, so
//! each connection prepares it once.
//!
//! The lists of columns are in `store::record`, and the function that commits is in
//! `migrations/postgres`.

use crate::store::record::{entry_columns, transition_columns};

/// The format of what commits tell other replicas that this program knows.
pub(super) const FORMAT: i16 = 1;

/// The identity of the database.
pub(super) const STORE_ID: &str = "select store_id from meta";

/// The identity of the database, and when it was restored or imported.
pub(super) const META: &str = "select store_id, restored_at from meta";

/// The identity of the database, asked by a new session. Whatever the defaults of the server are,
/// each statement of a transaction sees what was committed before it: `commit_v1` waits for its turn
/// and then looks.
pub(super) const BEGIN_SESSION: &str = "\
    select store_id, set_config('default_transaction_isolation', 'read committed', false) from meta";

/// Keeps notices out of the log, such as that a table is there already.
pub(super) const NO_NOTICES: &str = "select set_config('client_min_messages', 'warning', false)";

/// Whether there are tables of this program's names.
pub(super) const HAS_TABLES: &str = "\
    select to_regclass('meta') is not null or to_regclass('commits') is not null \
        or to_regclass('entries') is not null or to_regclass('transitions') is not null";
/// Whether the tables are of this program.
pub(super) const HAS_MIGRATIONS: &str = "select to_regclass('_sqlx_migrations') is not null";

/// Takes the turn to migrate, if nobody has it. A statement that waited would hold a snapshot, for whose
/// end `create index concurrently` of the one that migrates waits in turn.
pub(super) const TRY_TO_MIGRATE: &str = "select pg_try_advisory_lock(1735619700)";
/// Gives the turn back.
pub(super) const HAS_MIGRATED: &str = "select pg_advisory_unlock(1735619700)";

/// Commits a plan: what the function `commit_v1` says.
pub(super) const COMMIT: &str = "\
    select answer, made, made_as::text, its_put, its_seen, its_removed from commit_v1( \
        $1, $2::text::uuid, $3, $4::text::uuid, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14::text::uuid \
    )";

/// Keeps everybody from committing until the transaction ends, with the lock of `commit_v1`. A replica
/// that was not heard for a minute may be back.
pub(super) const HOLD_COMMITS: &str = "select pg_advisory_xact_lock(1735619699)";

/// The last commit.
pub(super) const LAST_COMMIT: &str =
    "select revision, token::text from commits order by revision desc limit 1";

/// A commit `$1` and some later ones, each with its format: the next one, and those after it of up to
/// a megabyte altogether.
pub(super) const COMMITS_SINCE: &str = "\
    select revision, token::text, put, seen, removed, format from ( \
        select *, first_value(written) over (order by revision) as before from ( \
            select * from commits where revision >= $1 order by revision limit 5000 \
        ) as next \
    ) as piece where written - before <= 1048576 or revision <= $1 + 1 order by revision";

/// A transaction that sees one moment, and changes nothing.
pub(super) const BEGIN_TO_READ: &str = "begin isolation level repeatable read read only";
/// Lets entries be read in their order by the primary key, instead of sorting all of them first.
pub(super) const DO_NOT_SORT: &str = "set local enable_sort = off";

/// All entries in the order of their keys.
pub(super) const ENTRIES: &str =
    concat!("select ", entry_columns!(quoted), "repo, server from entries order by repo, server");

/// The columns of a transition as `store::record` reads them, and its id.
macro_rules! transition_as_columns {
    () => {
        concat!($crate::store::record::transition_columns!(quoted), "repo, server, id")
    };
}
pub(super) use transition_as_columns;

/// The number of columns before a transition's id.
pub(super) const TRANSITION_ID: usize = transition_columns!(places).len() + 2;

/// The outages of the server.
pub(super) const OUTAGES: &str = "select began, ended from outages order by began";

/// Puts outages, `$1` and `$2`, in place of those that are known, `$3`.
pub(super) const PUT_OUTAGES: &str = "\
    with gone as ( \
        delete from outages where began = any ($3) and began <> all ($1) \
    ) \
    insert into outages (began, ended) select * from unnest($1, $2) \
    on conflict (began) do update set ended = excluded.ended";

/// Deletes some transitions.
pub(super) const PRUNE: &str = "delete from transitions where id = any ($1)";

/// Whether the database can be written, and which one it is.
pub(super) const STANDING: &str = "select store_id, pg_is_in_recovery() or current_setting('transaction_read_only')::boolean from meta";

/// Sets the moment of the restore to `$1`, if `$2` is stored.
pub(super) const PUT_RESTORED_AT: &str = "update meta set restored_at = $1 where restored_at = $2";

/// The size of the database.
pub(super) const SIZE: &str = "select pg_database_size(current_database())";

/// Deletes up to `$2` commits after `$1` that are a minute old, and have 20,000 or 64 MB of others after
/// them: a replica that was away for longer loads everything anew. Returns how many those were, and the
/// last one of them. It looks at no more rows than that, and at none up to `$1`: while an old
/// transaction is open, the index still has those that were deleted.
pub(super) const TRIM_COMMITS: &str = "\
    with last as ( \
        select revision, written from commits order by revision desc limit 1 \
    ), oldest as ( \
        select revision, written, at from commits where revision > $1 order by revision limit $2 \
    ), gone as ( \
        delete from commits where revision > $1 and revision <= ( \
            select max(oldest.revision) from oldest, last \
            where oldest.at < clock_timestamp() - interval '1 minute' and ( \
                last.revision - oldest.revision >= 20000 or last.written - oldest.written >= 67108864 \
            ) \
        ) \
        returning revision \
    ) \
    select count(*), max(revision) from gone";

/// Says that a replica runs: its id, name, version and settings, and for how many milliseconds it has
/// run, which is null while it starts.
pub(super) const PRESENT: &str = "\
    insert into replicas (id, name, version, settings, seen_at, began_at) \
    values ($1::text::uuid, $2, $3, $4, clock_timestamp(), \
        clock_timestamp() - $5 * interval '1 millisecond') \
    on conflict (id) do update set name = excluded.name, version = excluded.version, \
        settings = excluded.settings, seen_at = excluded.seen_at, began_at = excluded.began_at";

/// Takes or keeps the lead for five seconds. Returns a row if this replica, `$1`, has it.
pub(super) const LEAD: &str = "\
    insert into leases (name, holder, until) \
    values ('lead', $1::text::uuid, clock_timestamp() + interval '5 seconds') \
    on conflict (name) do update set holder = excluded.holder, until = excluded.until \
        where leases.holder = excluded.holder or leases.until < clock_timestamp() \
    returning name";

/// Gives up the lead, if this replica, `$1`, has it. Returns no row.
pub(super) const DO_NOT_LEAD: &str = "delete from leases where holder = $1::text::uuid";

/// When the first of the replicas began that run, and the time, both in milliseconds.
pub(super) const RAN_SINCE_AND_NOW: &str = "\
    select (extract(epoch from least(min(began_at), clock_timestamp())) * 1000)::bigint, \
        (extract(epoch from clock_timestamp()) * 1000)::bigint \
    from replicas where seen_at > clock_timestamp() - interval '5 seconds'";

/// The other replicas that run.
pub(super) const OTHERS: &str = "\
    select name, version, settings, (extract(epoch from seen_at) * 1000)::bigint from replicas \
    where id <> $1::text::uuid and seen_at > clock_timestamp() - interval '1 minute' \
    order by name, id";

/// Says that a replica has ended: it gives up the lead, if it has it.
pub(super) const ABSENT: &str = "\
    with gone as (delete from leases where holder = $1::text::uuid) \
    delete from replicas where id = $1::text::uuid";

/// Forgets replicas that have not said for long that they run.
pub(super) const FORGET_REPLICAS: &str =
    "delete from replicas where seen_at < clock_timestamp() - interval '1 hour'";

/// The number of the last migration that a program has to know to use the database.
pub(super) const OLDEST_PROGRAM: &str = "select oldest_program from meta";

/// Lets questions about the history be answered by seeks, whatever the statistics say and the
/// parameters are, nothing be compiled for them, and nothing of usual answers be sorted on the disk. Sets
/// how long a statement may take. Returns the process of the server, and when it began.
pub(super) const PREPARE_TO_READ: &str = "\
    select pg_backend_pid(), ( \
            select (extract(epoch from backend_start) * 1000000)::bigint from pg_stat_activity \
            where pid = pg_backend_pid() \
        ), \
        set_config('enable_seqscan', 'off', false), set_config('enable_bitmapscan', 'off', false), \
        set_config('enable_hashjoin', 'off', false), set_config('enable_mergejoin', 'off', false), \
        set_config('enable_material', 'off', false), set_config('enable_memoize', 'off', false), \
        set_config('plan_cache_mode', 'force_generic_plan', false), \
        set_config('max_parallel_workers_per_gather', '0', false), \
        set_config('jit', 'off', false), set_config('work_mem', '32MB', false), \
        set_config('default_transaction_read_only', 'on', false), \
        set_config('statement_timeout', $1, false)";

/// Sets how long a statement may take.
pub(super) const LIMIT_STATEMENTS: &str = "select set_config('statement_timeout', $1, false)";

/// Cancels what a process, `$1`, is doing that began at `$2`. Behind a pooler it may have passed to another
/// client, whose commit is not cancelled.
pub(super) const CANCEL: &str = "\
    select pg_cancel_backend(pid) from pg_stat_activity \
    where pid = $1 and usename = session_user \
        and (extract(epoch from backend_start) * 1000000)::bigint = $2 \
        and query !~ 'commit_v[0-9]'";

/// About how many rows there are.
pub(super) const ABOUT_ROWS: &str = "\
    select coalesce(sum(n_live_tup), 0)::bigint from pg_stat_user_tables \
    where relid in ('entries'::regclass, 'transitions'::regclass)";

/// Up to `$3` entries after a pair, up to the first with which their files have more than `$4` bytes.
/// Files are not read to know how long they are.
pub(super) const ENTRIES_AFTER: &str = concat!(
    "select ",
    entry_columns!(quoted),
    "repo, server from ( \
        select *, sum(octet_length(files)) over ( \
            order by repo, server rows between unbounded preceding and 1 preceding \
        ) as bytes_before \
        from entries where (repo, server) > ($1, $2) order by repo, server limit $3 \
    ) as piece where coalesce(bytes_before, 0) <= $4 order by repo, server"
);

/// Up to `$2` transitions after one, up to the first with which their files have more than `$3` bytes.
pub(super) const HISTORY_AFTER: &str = concat!(
    "select ",
    transition_as_columns!(),
    " from ( \
        select *, sum(octet_length(files_added) + octet_length(files_removed)) over ( \
            order by id rows between unbounded preceding and 1 preceding \
        ) as bytes_before \
        from transitions where id > $1 order by id limit $2 \
    ) as piece where coalesce(bytes_before, 0) <= $3 order by id"
);

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = include_str!("../../../migrations/postgres/0001_initial.sql");

    fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
        text.split_once(from).unwrap().1.split_once(to).unwrap().0
    }

    fn listed(columns: &str) -> Vec<&str> {
        let columns = columns.split(',').map(|name| name.trim().trim_matches('"'));
        columns.filter(|name| !name.is_empty()).collect()
    }

    #[test]
    fn the_function_that_commits_waits_for_the_lock_that_holds_commits() {
        let lock = HOLD_COMMITS.strip_prefix("select ").unwrap();
        assert!(SCHEMA.contains(&format!("perform {lock};")));
    }

    #[test]
    fn the_function_that_commits_writes_the_columns_of_the_lists_in_their_order() {
        let function = SCHEMA.split_once("create function commit_v1").unwrap().1;
        for (table, list) in
            [("entries", entry_columns!(quoted)), ("transitions", transition_columns!(quoted))]
        {
            let insert = format!("insert into {table} (");
            let written = listed(between(function, &insert, ")"));
            assert_eq!(written, [vec!["repo", "server"], listed(list)].concat());
            let values = between(function.split_once(&insert).unwrap().1, "select", "from");
            let values = listed(values);
            assert_eq!(values.len(), written.len());
            for (place, value) in values.iter().enumerate() {
                let value = value.trim_start_matches('(');
                let is_it = value.split([')', ':']).next() == Some(&format!("v ->> {place}"));
                assert!(is_it, "{value} is written into {}", written[place]);
            }
        }
        let updated = between(function, "do update set", ";");
        let updated: Vec<String> = listed(updated).into_iter().map(str::to_owned).collect();
        let all = listed(entry_columns!(quoted));
        let expected: Vec<String> =
            all.iter().map(|name| format!("{name} = excluded.{name}")).collect();
        assert_eq!(updated, expected);
    }
}
