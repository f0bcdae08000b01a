pragma application_id = 1735619699;
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
INSERT INTO _sqlx_migrations VALUES(1,'initial','2026-11-29 08:07:28',1,X'd530c0aa3763307f9cf1e229854f62aa4bf83b1c933131c9633cea5fb58edd4f200f36d8270b30bb9f70a68a49cb55b5',2567589);
INSERT INTO _sqlx_migrations VALUES(2,'sightings','2026-11-29 08:07:28',1,X'3ce3e0c1022a1aa0f739d2d43107e9df1dd369d76918838aa9e79228dbbf7f88b781518131186f69225cccd88b15b1ea',11009857);
INSERT INTO _sqlx_migrations VALUES(3,'history','2026-11-29 08:07:28',1,X'58f13cd23e2738a3f83962a22e5e4c7b9a20a1682ac1e01a698783ac6f2aac4f4cd91b9a67dc6a57a539e82ba0902dac',12017613);
CREATE TABLE meta (
    id       integer not null primary key check (id = 1),
    store_id text    not null,          -- random, names this database for as long as it lives
    revision integer not null           -- the number of the last commit
) strict;
INSERT INTO meta VALUES(1,'8c871f166360aee890e917faaf4deaaf',23);
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
INSERT INTO entries VALUES('a','b:c','OUT_OF_SYNC',1,'["x"]','2026-04-21T10:32:15Z',1776767535000,1776767535000,NULL,NULL,NULL,NULL,0,5);
INSERT INTO entries VALUES('a:b','c','SYNCED',0,'[]','2026-04-21T10:32:15Z',1776767535000,1776767535000,NULL,NULL,NULL,NULL,0,4);
INSERT INTO entries VALUES('silent','one','OUT_OF_SYNC',1,'["a.conf"]','2026-04-21T10:32:15Z',1776767535000,1776767535000,600,0,NULL,NULL,1,14);
INSERT INTO entries VALUES('web','by-count','SYNCED',2,'[]','2026-04-21T10:32:15Z',1776767535000,1776767535000,NULL,NULL,NULL,NULL,0,3);
INSERT INTO entries VALUES('web','deleted-and-back','SYNCED',1,'["c.conf"]','2026-04-21T10:32:15Z',1776767655000,1776767655000,NULL,NULL,NULL,NULL,0,13);
INSERT INTO entries VALUES('web','drifted','OUT_OF_SYNC',2,'["a.conf","sü\"ß, b.conf"]','2026-04-21T10:32:15.120Z',1776779775000,1776767535000,NULL,NULL,'4f2a91c','https://ci.example/7?a=1&b=%00',0,17);
INSERT INTO entries VALUES('web','seen-again','SYNCED',0,'[]','2026-04-21T10:32:15Z',1776767535000,1776767535000,NULL,NULL,NULL,NULL,0,1);
CREATE TABLE tombstones (
    repo     text    not null,
    server   text    not null,
    revision integer not null,
    primary key (repo, server)
) strict, without rowid;
INSERT INTO tombstones VALUES('web','deleted',11);
INSERT INTO tombstones VALUES('web','deleted-and-back',12);
INSERT INTO tombstones VALUES('ending','one',15);
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
INSERT INTO transitions VALUES(1,1776767535000,1,'web','seen-again','first','SYNCED',0,'[]',0,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(2,1776767535000,2,'web','drifted','first','OUT_OF_SYNC',2,'["a.conf","sü\"ß, b.conf"]',2,'[]',0,'4f2a91c','https://ci.example/7?a=1&b=%00',NULL);
INSERT INTO transitions VALUES(3,1776767535000,3,'web','by-count','first','SYNCED',2,'[]',0,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(4,1776767535000,4,'a:b','c','first','SYNCED',0,'[]',0,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(5,1776767535000,5,'a','b:c','first','OUT_OF_SYNC',1,'["x"]',1,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(6,1776767535000,6,'silent','one','first','OUT_OF_SYNC',1,'["a.conf"]',1,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(7,1776767535000,7,'ending','one','first','OUT_OF_SYNC',1,'["a.conf"]',1,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(8,1776767535000,8,'web','deleted','first','OUT_OF_SYNC',2,'["a.conf","b.conf"]',2,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(9,1776767535000,9,'web','deleted-and-back','first','OUT_OF_SYNC',2,'["a.conf","b.conf"]',2,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(10,1776767595000,10,'web','drifted','changed','OUT_OF_SYNC',1,'["b.conf"]',1,'["a.conf","sü\"ß, b.conf"]',2,NULL,NULL,NULL);
INSERT INTO transitions VALUES(11,1776767595000,11,'web','deleted','deleted','OUT_OF_SYNC',2,'[]',0,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(12,1776767595000,12,'web','deleted-and-back','deleted','OUT_OF_SYNC',2,'[]',0,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(13,1776767655000,13,'web','deleted-and-back','first','SYNCED',1,'["c.conf"]',1,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(14,1776768135000,14,'ending','one','stale','OUT_OF_SYNC',1,'[]',0,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(15,1776768135000,14,'silent','one','stale','OUT_OF_SYNC',1,'[]',0,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(16,1776768735000,15,'ending','one','expired','OUT_OF_SYNC',1,'[]',0,'[]',0,NULL,NULL,NULL);
INSERT INTO transitions VALUES(17,1776779775000,17,'web','drifted','changed','OUT_OF_SYNC',2,'["a.conf","sü\"ß, b.conf"]',2,'["b.conf"]',1,'4f2a91c','https://ci.example/7?a=1&b=%00',NULL);
CREATE TABLE sightings (
    revision integer not null primary key, -- the commit that wrote the row
    seen     text    not null              -- JSON array of [repo, server, last_check, updated_at]
) strict;
INSERT INTO sightings VALUES(16,'[["web","seen-again","2026-04-21T10:32:15Z",1776779775000]]');
INSERT INTO sightings VALUES(18,'[["web","by-count","2026-04-21T10:32:15Z",1776779775000]]');
INSERT INTO sightings VALUES(19,'[["a:b","c","2026-04-21T10:32:15Z",1776779775000]]');
INSERT INTO sightings VALUES(20,'[["a","b:c","2026-04-21T10:32:15Z",1776779775000]]');
INSERT INTO sightings VALUES(21,'[["web","deleted-and-back","2026-04-21T10:32:15Z",1776779775000]]');
INSERT INTO sightings VALUES(22,'[["web","seen-again","2026-04-21T10:32:15Z",1776779895000]]');
INSERT INTO sightings VALUES(23,'[["a:b","c","2026-04-21T10:32:15Z",1776779895000]]');
CREATE INDEX tombstones_by_revision on tombstones (revision);
CREATE INDEX transitions_by_time on transitions (at);
CREATE INDEX transitions_by_state on transitions (repo, server, state, at);
COMMIT;
