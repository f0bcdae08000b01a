-- Since when an entry has been drifted without a break, by its status or by its count; null if it is
-- not drifted.
alter table entries add column drifted_since integer;

-- The history has the start of each present drift: the first transition after the last one that was
-- not drifted or ended the entry. Every transition counts, since each has the status and the count of
-- its moment, also a silence and its end. Ids give their order: times may go back with the clock.
--
-- Where the history does not reach back to the start, this is the earliest moment that is known to
-- belong to the drift: status_since of an entry that is OUT_OF_SYNC, the oldest transition that is
-- left, or the latest update.
update entries
set drifted_since = min(
    case sync_status when 'OUT_OF_SYNC' then status_since else updated_at end,
    coalesce(
        (
            select told.at
            from transitions as told, (
                select max(other.id) as id
                from transitions as other
                where other.repo = entries.repo and other.server = entries.server
                    and (
                        other.event in ('expired', 'deleted')
                        or (other.sync_status = 'SYNCED' and other.drift_count = 0)
                    )
            ) as undrifted
            where told.repo = entries.repo and told.server = entries.server
                and told.id > coalesce(undrifted.id, 0)
            order by told.id
            limit 1
        ),
        updated_at
    )
)
where sync_status = 'OUT_OF_SYNC' or drift_count > 0;
