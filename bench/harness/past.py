"""The history of a fleet that changes every hour, written directly into the database."""

import sqlite3
import time
from pathlib import Path

HOUR = 3_600_000  # milliseconds, the unit of the database

INSERT = """
    with recursive hours (hour) as (select 0 union all select hour + 1 from hours where hour + 1 < :hours)
    insert into transitions (
        at, revision, repo, server, event, sync_status, drift_count, files_added, files_added_count,
        files_removed, files_removed_count, report_revision, url
    )
    select
        :start + hour * :step + drift_count, hour, repo, server,
        case hour % 2 when 0 then 'drifted' else 'synced' end,
        case hour % 2 when 0 then 'OUT_OF_SYNC' else 'SYNCED' end,
        1 - hour % 2,
        case hour % 2 when 0 then '["rsyslog.conf"]' else '[]' end, 1 - hour % 2,
        case hour % 2 when 0 then '[]' else '["rsyslog.conf"]' end, hour % 2,
        '0123456789abcdef0123456789abcdef01234567', 'https://ci.example.net/runs/' || hour
    from hours cross join entries
"""


def flap(database: Path, days: int) -> tuple[int, int]:
    """Writes an hourly change of every entry of a stopped server, up to now. Returns the times of the
    first and the last change, in milliseconds."""
    end = int(time.time() * 1000)
    start = end - days * 24 * HOUR
    connection = sqlite3.connect(database)
    connection.execute("pragma synchronous = off")
    connection.execute(INSERT, {"hours": days * 24, "start": start, "step": HOUR})
    connection.commit()
    connection.execute("pragma wal_checkpoint(truncate)")
    connection.close()
    return start, end
