-- A database that version 0.1.0 has written before migration 0004: `sqlite3 status.db .dump`, and the
-- mark of our files. tests/it/drifts.rs says what each entry is an example of.
PRAGMA application_id = 1735619699;
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE _sqlx_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
);
INSERT INTO _sqlx_migrations VALUES(1,'initial','2026-11-28 16:31:47',1,X'd530c0aa3763307f9cf1e229854f62aa4bf83b1c933131c9633cea5fb58edd4f200f36d8270b30bb9f70a68a49cb55b5',19550135);
INSERT INTO _sqlx_migrations VALUES(2,'sightings','2026-11-28 16:31:47',1,X'3ce3e0c1022a1aa0f739d2d43107e9df1dd369d76918838aa9e79228dbbf7f88b781518131186f69225cccd88b15b1ea',44099452);
INSERT INTO _sqlx_migrations VALUES(3,'history','2026-11-28 16:31:47',1,X'58f13cd23e2738a3f83962a22e5e4c7b9a20a1682ac1e01a698783ac6f2aac4f4cd91b9a67dc6a57a539e82ba0902dac',9225074);
CREATE TABLE meta (
    id       integer not null primary key check (id = 1),
    store_id text    not null,          -- random, names this database for as long as it lives
    revision integer not null           -- the number of the last commit
) strict;
INSERT INTO meta VALUES(1,'ff5b0f3a016338c2461b08fd1737329c',33);
CREATE TABLE entries (
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
INSERT INTO entries VALUES('repo','by-count','SYNCED',3,'["a.conf","b.conf","c.conf"]','2026-04-21T10:32:15Z',1776767655000,1776767535000,NULL,NULL,NULL,NULL,0,25);
INSERT INTO entries VALUES('repo','by-count-then-status','SYNCED',1,'["a.conf"]','2026-04-21T10:32:15Z',1776767715000,1776767715000,NULL,NULL,NULL,NULL,0,32);
INSERT INTO entries VALUES('repo','by-status','OUT_OF_SYNC',3,'["a.conf","b.conf","c.conf"]','2026-04-21T10:32:15Z',1776767655000,1776767595000,NULL,NULL,NULL,NULL,0,24);
INSERT INTO entries VALUES('repo','count-gone','SYNCED',0,'[]','2026-04-21T10:32:15Z',1776767595000,1776767535000,NULL,NULL,NULL,NULL,0,21);
INSERT INTO entries VALUES('repo','deleted-and-back','SYNCED',1,'["a.conf"]','2026-04-21T10:32:15Z',1776767655000,1776767655000,NULL,NULL,NULL,NULL,0,31);
INSERT INTO entries VALUES('repo','expired-and-back','OUT_OF_SYNC',1,'["a.conf"]','2026-04-21T10:32:15Z',1776767655000,1776767655000,NULL,NULL,NULL,NULL,0,30);
INSERT INTO entries VALUES('repo','first-report','OUT_OF_SYNC',1,'["a.conf"]','2026-04-21T10:32:15Z',1776767535000,1776767535000,NULL,NULL,NULL,NULL,0,6);
INSERT INTO entries VALUES('repo','in-turns','OUT_OF_SYNC',0,'[]','2026-04-21T10:32:15Z',1776767655000,1776767655000,NULL,NULL,NULL,NULL,0,29);
INSERT INTO entries VALUES('repo','recovered','SYNCED',0,'[]','2026-04-21T10:32:15Z',1776767595000,1776767595000,NULL,NULL,NULL,NULL,0,20);
INSERT INTO entries VALUES('repo','seen-again','OUT_OF_SYNC',1,'["a.conf"]','2026-04-21T10:32:15Z',1776767535000,1776767535000,NULL,NULL,NULL,NULL,0,7);
INSERT INTO entries VALUES('repo','silent','OUT_OF_SYNC',2,'["a.conf","b.conf"]','2026-04-21T10:32:15Z',1776767655000,1776767595000,NULL,NULL,NULL,NULL,0,27);
INSERT INTO entries VALUES('repo','synced','SYNCED',0,'[]','2026-04-21T10:32:15Z',1776767535000,1776767535000,NULL,NULL,NULL,NULL,0,5);
CREATE TABLE tombstones (
    repo     text    not null,
    server   text    not null,
    revision integer not null,
    primary key (repo, server)
) strict, without rowid;
INSERT INTO tombstones VALUES('repo','expired-and-back',13);
INSERT INTO tombstones VALUES('repo','deleted-and-back',22);
CREATE TABLE transitions (
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
, state integer not null generated always as (
    case
        when event in ('expired', 'deleted') then 3
        when event = 'stale' then 2
        when sync_status = 'OUT_OF_SYNC' then 1
        else 0
    end
) virtual) strict;
INSERT INTO transitions VALUES(1,1776767535000,1,'repo','by-status','first','SYNCED',0,'[]',0,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(2,1776767535000,2,'repo','by-count','first','SYNCED',0,'[]',0,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(3,1776767535000,3,'repo','by-count-then-status','first','SYNCED',0,'[]',0,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(4,1776767535000,4,'repo','silent','first','SYNCED',0,'[]',0,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(5,1776767535000,5,'repo','synced','first','SYNCED',0,'[]',0,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(6,1776767535000,6,'repo','first-report','first','OUT_OF_SYNC',1,'["a.conf"]',1,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(7,1776767535000,7,'repo','seen-again','first','OUT_OF_SYNC',1,'["a.conf"]',1,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(8,1776767535000,8,'repo','in-turns','first','OUT_OF_SYNC',1,'["a.conf"]',1,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(9,1776767535000,9,'repo','recovered','first','OUT_OF_SYNC',1,'["a.conf"]',1,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(10,1776767535000,10,'repo','deleted-and-back','first','OUT_OF_SYNC',1,'["a.conf"]',1,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(11,1776767535000,11,'repo','count-gone','first','SYNCED',2,'["a.conf","b.conf"]',2,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(12,1776767535000,12,'repo','expired-and-back','first','OUT_OF_SYNC',1,'["a.conf"]',1,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(13,1776767555000,13,'repo','expired-and-back','stale','OUT_OF_SYNC',1,'[]',0,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(14,1776767565000,13,'repo','expired-and-back','expired','OUT_OF_SYNC',1,'[]',0,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(15,1776767595000,14,'repo','by-status','drifted','OUT_OF_SYNC',1,'["a.conf"]',1,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(16,1776767595000,15,'repo','by-count','changed','SYNCED',1,'["a.conf"]',1,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(17,1776767595000,16,'repo','by-count-then-status','changed','SYNCED',2,'["a.conf","b.conf"]',2,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(18,1776767595000,17,'repo','silent','drifted','OUT_OF_SYNC',1,'["a.conf"]',1,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(19,1776767595000,19,'repo','in-turns','synced','SYNCED',0,'[]',0,'["a.conf"]',1,NULL,NULL,NULL);
INSERT INTO transitions VALUES(20,1776767595000,20,'repo','recovered','synced','SYNCED',0,'[]',0,'["a.conf"]',1,NULL,NULL,NULL);
INSERT INTO transitions VALUES(21,1776767595000,21,'repo','count-gone','changed','SYNCED',0,'[]',0,'["a.conf","b.conf"]',2,NULL,NULL,NULL);
INSERT INTO transitions VALUES(22,1776767595000,22,'repo','deleted-and-back','deleted','OUT_OF_SYNC',1,'[]',0,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(23,1776767625000,23,'repo','silent','stale','OUT_OF_SYNC',1,'[]',0,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(24,1776767655000,24,'repo','by-status','changed','OUT_OF_SYNC',3,'["b.conf","c.conf"]',2,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(25,1776767655000,25,'repo','by-count','changed','SYNCED',3,'["b.conf","c.conf"]',2,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(26,1776767655000,26,'repo','by-count-then-status','drifted','OUT_OF_SYNC',2,'[]',0,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(27,1776767655000,27,'repo','silent','fresh','OUT_OF_SYNC',2,'[]',0,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(28,1776767655000,27,'repo','silent','changed','OUT_OF_SYNC',2,'["b.conf"]',1,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(29,1776767655000,29,'repo','in-turns','drifted','OUT_OF_SYNC',0,'[]',0,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(30,1776767655000,30,'repo','expired-and-back','first','OUT_OF_SYNC',1,'["a.conf"]',1,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(31,1776767655000,31,'repo','deleted-and-back','first','SYNCED',1,'["a.conf"]',1,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(32,1776767715000,32,'repo','by-count-then-status','synced','SYNCED',1,'[]',0,'["b.conf"]',1,NULL,NULL,NULL);
CREATE TABLE sightings (
    revision integer not null primary key, -- the commit that wrote the row
    seen     text    not null              -- JSON array of [repo, server, last_check, updated_at]
) strict;
INSERT INTO sightings VALUES(18,'[["repo","seen-again","2026-04-21T10:32:15Z",1776767595000]]');
INSERT INTO sightings VALUES(28,'[["repo","seen-again","2026-04-21T10:32:15Z",1776767655000]]');
INSERT INTO sightings VALUES(33,'[["repo","by-count","2026-04-21T10:32:15Z",1776767715000]]');
CREATE INDEX tombstones_by_revision on tombstones (revision);
CREATE INDEX transitions_by_time on transitions (at);
CREATE INDEX transitions_by_state on transitions (repo, server, state, at);
COMMIT;
