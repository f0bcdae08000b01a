-- When all of this was restored from a backup or imported: what is older than that is kept for its time
-- to live from then on. Null: it came here first.
alter table meta add column restored_at integer;
