-- The tables of a metastore in one file. Uuids are 16 bytes, times are milliseconds of the database's
-- clock. WITHOUT ROWID: each table is one tree in the order in which it is read.
-- No foreign keys: the commit would pay for them, and every method is one transaction anyway.

-- One row: the cluster, and what it gives out by counting.
CREATE TABLE cluster (
    only_row         INTEGER PRIMARY KEY CHECK (only_row = 1),
    -- NULL until the first start.
    id               TEXT,
    epoch            INTEGER NOT NULL DEFAULT 1,
    bucket_bound     INTEGER NOT NULL DEFAULT 0,
    catalog_version  INTEGER NOT NULL DEFAULT 0,
    next_producer_id INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO cluster (only_row) VALUES (1);

-- Node ids belong to names and outlive incarnations.
CREATE TABLE node (
    id   INTEGER PRIMARY KEY,
    name TEXT    NOT NULL UNIQUE
) STRICT;

-- The fence rows. state: 1 live, 2 fenced, 3 left; only live ones change anything.
CREATE TABLE agent (
    incarnation     BLOB    PRIMARY KEY,
    node_id         INTEGER NOT NULL,
    epoch           INTEGER NOT NULL,
    state           INTEGER NOT NULL,
    heartbeat_ms    INTEGER NOT NULL,
    settled_through INTEGER NOT NULL DEFAULT 0,
    profile         TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
-- A name has one life at a time; and heartbeats look only at the living.
CREATE UNIQUE INDEX agent_live ON agent (node_id) WHERE state = 1;

-- AUTOINCREMENT: a key is never given out again.
CREATE TABLE topic (
    key                INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid               BLOB    NOT NULL UNIQUE,
    name               TEXT    NOT NULL,
    -- The name with '.' read as '_': two topics may not share it, as in Kafka (metric names).
    collision_name     TEXT    NOT NULL UNIQUE,
    partitions         INTEGER NOT NULL,
    replication_factor INTEGER NOT NULL,
    configs            TEXT    NOT NULL,
    version            INTEGER NOT NULL
) STRICT;
CREATE INDEX topic_version ON topic (version);

-- What agents that were away are told of deleted topics.
CREATE TABLE topic_deleted (
    version INTEGER PRIMARY KEY,
    uuid    BLOB    NOT NULL
) STRICT;

-- forgotten_through: producers up to this id may have been forgotten here, and may start above 0.
CREATE TABLE log_head (
    topic             INTEGER NOT NULL,
    partition         INTEGER NOT NULL,
    log_start         INTEGER NOT NULL DEFAULT 0,
    next_offset       INTEGER NOT NULL DEFAULT 0,
    archived_to       INTEGER NOT NULL DEFAULT 0,
    forgotten_through INTEGER NOT NULL DEFAULT -1,
    PRIMARY KEY (topic, partition)
) STRICT, WITHOUT ROWID;

-- state: 1 live, 2 tombstone. The unique index is what makes commit and settle exclude each other.
CREATE TABLE segment (
    id           INTEGER PRIMARY KEY,
    incarnation  BLOB    NOT NULL,
    seq          INTEGER NOT NULL,
    epoch        INTEGER NOT NULL,
    state        INTEGER NOT NULL,
    object_bytes INTEGER NOT NULL,
    -- What the commit answered for this segment; NULL for a tombstone.
    reply        BLOB,
    UNIQUE (incarnation, seq)
) STRICT;

-- flags: 1 transactional, 2 control. bucket: the hour of the commit; a bucket is emptied as a whole.
CREATE TABLE extent (
    topic          INTEGER NOT NULL,
    partition      INTEGER NOT NULL,
    base_offset    INTEGER NOT NULL,
    end_offset     INTEGER NOT NULL,
    segment        INTEGER NOT NULL,
    position       INTEGER NOT NULL,
    bytes          INTEGER NOT NULL,
    max_timestamp  INTEGER NOT NULL,
    producer_id    INTEGER,
    producer_epoch INTEGER,
    flags          INTEGER NOT NULL,
    bucket         INTEGER NOT NULL,
    PRIMARY KEY (topic, partition, base_offset)
) STRICT, WITHOUT ROWID;

-- What a partition knows of a producer: either the lowest sequence noted (nothing appended yet), or the
-- last sequence and the remembered runs.
CREATE TABLE producer_partition (
    topic         INTEGER NOT NULL,
    partition     INTEGER NOT NULL,
    producer_id   INTEGER NOT NULL,
    epoch         INTEGER NOT NULL,
    noted_lowest  INTEGER,
    last_sequence INTEGER,
    runs          BLOB    NOT NULL,
    touched_ms    INTEGER NOT NULL,
    PRIMARY KEY (topic, partition, producer_id),
    CHECK ((noted_lowest IS NULL) <> (last_sequence IS NULL))
) STRICT, WITHOUT ROWID;
-- The idle ones are looked for oldest first.
CREATE INDEX producer_partition_touched ON producer_partition (touched_ms);
