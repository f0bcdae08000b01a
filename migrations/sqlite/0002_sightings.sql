-- Updates that changed nothing but times, one row a commit, so that the most frequent commit writes
-- one short row instead of a page for each entry. What is in here is newer than the same pair's row
-- in entries if that row's revision is an older one. It is folded into entries by and by.
create table sightings (
    revision integer not null primary key, -- the commit that wrote the row
    seen     text    not null              -- JSON array of [repo, server, last_check, updated_at]
) strict;
