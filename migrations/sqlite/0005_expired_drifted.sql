-- When an entry expired that was drifted then. Its row is kept for a week, so that its end is not
-- mistaken for a repair. Null for every other entry: it has not expired, or its row is deleted.
alter table entries add column expired_at integer;
