-- The schema of a SQLite database of gitops-status-server.
--
-- Times are milliseconds since 1970-01-01T00:00:00Z, but for last_check, which is the reporter's
-- and keeps the digits it was sent with. File lists are JSON arrays of names.

-- Written to the file's header, so that a file that is not ours can be told without opening it.
pragma application_id = 1735619699; -- "gsts"

create table meta (
    id       integer not null primary key check (id = 1),
    store_id text    not null,          -- random, names this database for as long as it lives
    revision integer not null           -- the number of the last commit
) strict;

insert into meta (id, store_id, revision) values (1, lower(hex(randomblob(16))), 0);

-- The latest update of every (repo, server) pair, and what the server adds to it.
create table entries (
    repo                text    not null,
    server              text    not null,
    sync_status         text    not null check (sync_status in ('SYNCED', 'OUT_OF_SYNC')),
    drift_count         integer not null,
    files               text    not null,
    last_check          text    not null,
    updated_at          integer not null,
    status_since        integer not null,
    stale_after_seconds integer,        -- the reporter's promise; null: the server's setting
    ttl_seconds         integer,        -- likewise
    report_revision     text,           -- the commit that was checked
    url                 text,           -- the run that made the check
    stale_recorded      integer not null check (stale_recorded in (0, 1)),
    revision            integer not null, -- the commit of this database that wrote the row
    primary key (repo, server)
) strict, without rowid;

-- Pairs that have no entry any more, so that others can learn what is gone since a revision.
-- Old ones are dropped: this is no history.
create table tombstones (
    repo     text    not null,
    server   text    not null,
    revision integer not null,
    primary key (repo, server)
) strict, without rowid;

create index tombstones_by_revision on tombstones (revision);

-- The history: every change in the life of an entry.
create table transitions (
    id                  integer not null primary key,
    at                  integer not null,
    revision            integer not null,
    repo                text    not null,
    server              text    not null,
    event               text    not null,
    sync_status         text    not null,
    drift_count         integer not null,
    files_added         text    not null, -- at most 100 names
    files_added_count   integer not null,
    files_removed       text    not null, -- at most 100 names
    files_removed_count integer not null,
    report_revision     text,
    url                 text,
    "by"                text            -- who sent it, once senders have names
) strict;

create index transitions_by_time on transitions (at);
create index transitions_by_entry on transitions (repo, server, at);
