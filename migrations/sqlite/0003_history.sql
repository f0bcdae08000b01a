-- What questions about the history are answered from.

-- How the entry stood from then on: 0 synced, 1 out of sync, 2 stale, 3 gone.
alter table transitions add column state integer not null generated always as (
    case
        when event in ('expired', 'deleted') then 3
        when event = 'stale' then 2
        when sync_status = 'OUT_OF_SYNC' then 1
        else 0
    end
) virtual;

-- With the state in front of the time, the last moment of each state before any other moment is one
-- seek away. This replaces an index, so a commit writes no more than before.
drop index transitions_by_entry;
create index transitions_by_state on transitions (repo, server, state, at);
