-- The times before starts of the program in which no update was stored: they are not the silence of
-- reporters. The newest hundred are kept.
create table outages (
    began integer not null primary key, -- when the last update was stored
    ended integer not null              -- when the program started
) strict;
