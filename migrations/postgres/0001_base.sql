-- The base: identity, agents, topics, log heads, segments, extents and producers.
--
-- No foreign keys: they would take locks on hot rows that nothing here needs. Topic and agent rows are
-- never deleted while something points at them.

CREATE TABLE cluster (
    one               boolean  PRIMARY KEY DEFAULT true CHECK (one),
    cluster_id        text,                          -- NULL, and the epoch 0, until the first start
    epoch             integer  NOT NULL DEFAULT 0,
    bucket_bound      boolean  NOT NULL DEFAULT false,
    catalog_version   bigint   NOT NULL DEFAULT 0,   -- its row lock serialises catalog changes
    next_producer_id  bigint   NOT NULL DEFAULT 0,
    -- The past that this cluster's log heads belong to. A server with another one may have lost commits.
    system_identifier bigint   NOT NULL,
    timeline          integer  NOT NULL
);

CREATE TABLE node (
    node_id   integer GENERATED ALWAYS AS IDENTITY (START WITH 1) PRIMARY KEY,
    node_name text    NOT NULL UNIQUE
);

-- The fence row of an incarnation. Whoever writes in its name takes FOR KEY SHARE and looks at the
-- state; whoever ends it takes FOR UPDATE first. A heartbeat must change no column of a unique index:
-- then it conflicts with neither, and it stays a HOT update.
CREATE TABLE agent (
    incarnation   uuid        PRIMARY KEY,
    node_id       integer     NOT NULL,
    state         smallint    NOT NULL DEFAULT 0,    -- 0 live, 1 left, 2 fenced, 3 receipted, 4 swept
    epoch         integer     NOT NULL,
    registered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    heartbeat_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    profile       jsonb       NOT NULL
) WITH (fillfactor = 50);

CREATE INDEX agent_by_node ON agent (node_id);

CREATE TABLE topic (
    topic_id           integer  GENERATED ALWAYS AS IDENTITY (START WITH 1) PRIMARY KEY,
    topic_uuid         uuid     NOT NULL UNIQUE,
    name               text     NOT NULL,
    state              smallint NOT NULL DEFAULT 0,  -- 0 live, 1 deleted; deleted rows stay
    partitions         integer  NOT NULL,
    replication_factor smallint NOT NULL,
    configs            jsonb    NOT NULL,
    version            bigint   NOT NULL             -- catalog version of the last change
);

CREATE UNIQUE INDEX topic_live_name ON topic (name) WHERE state = 0;
-- Names that differ only in `.` and `_` collide. Looked up at creation.
CREATE INDEX topic_live_metric_name ON topic (replace(name, '.', '_')) WHERE state = 0;
CREATE INDEX topic_by_version ON topic (version);

-- Updated by every commit. No secondary index, and half of each page free, so that updates stay HOT.
CREATE TABLE log_head (
    topic_id           integer NOT NULL,
    partition          integer NOT NULL,
    log_start          bigint  NOT NULL DEFAULT 0,
    next_offset        bigint  NOT NULL DEFAULT 0,
    last_stable_offset bigint  NOT NULL DEFAULT 0,
    archived_to        bigint  NOT NULL DEFAULT 0,
    forgotten_through  bigint  NOT NULL DEFAULT -1,  -- highest producer id that was forgotten
    PRIMARY KEY (topic_id, partition)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE epoch_start (
    topic_id     integer NOT NULL,
    partition    integer NOT NULL,
    epoch        integer NOT NULL,
    start_offset bigint  NOT NULL,
    PRIMARY KEY (topic_id, partition, epoch)
);

CREATE TABLE segment (
    incarnation     uuid     NOT NULL,
    seq             bigint   NOT NULL,
    kind            smallint NOT NULL DEFAULT 0,     -- 0 ingest
    state           smallint NOT NULL,               -- 0 live, 1 deleting, 2 tombstone
    object_bytes    bigint   NOT NULL DEFAULT 0,
    -- What the incarnation had settled when it committed this segment. It stands here and not in the
    -- agent's row: a commit that updated that row would make heartbeats wait for it.
    settled_through bigint   NOT NULL DEFAULT 0,
    reply           bigint[] NOT NULL DEFAULT '{}',  -- encoding: functions/commit_v1.sql
    PRIMARY KEY (incarnation, seq)
);

-- Compressing replies would cost more time than it saves space: rows live for hours.
ALTER TABLE segment ALTER COLUMN reply SET STORAGE EXTERNAL;

-- Bucketed by commit time (900 s each); a bucket is emptied as a whole, never row by row.
CREATE TABLE extent (
    bucket         smallint NOT NULL,
    transactional  boolean  NOT NULL,
    control        boolean  NOT NULL,
    topic_id       integer  NOT NULL,
    partition      integer  NOT NULL,
    epoch          integer  NOT NULL,                -- cluster epoch in the object's key
    base_offset    bigint   NOT NULL,
    end_offset     bigint   NOT NULL,
    incarnation    uuid     NOT NULL,
    seq            bigint   NOT NULL,
    object_bytes   bigint   NOT NULL,                -- repeated from the segment: a plan needs no join
    position       bigint   NOT NULL,
    bytes          bigint   NOT NULL,
    max_timestamp  bigint   NOT NULL,
    producer_id    bigint,
    producer_epoch smallint
) PARTITION BY LIST (bucket);

CREATE TABLE extent_0 PARTITION OF extent FOR VALUES IN (0);
CREATE TABLE extent_1 PARTITION OF extent FOR VALUES IN (1);
CREATE TABLE extent_2 PARTITION OF extent FOR VALUES IN (2);
CREATE TABLE extent_3 PARTITION OF extent FOR VALUES IN (3);
CREATE TABLE extent_4 PARTITION OF extent FOR VALUES IN (4);
CREATE TABLE extent_5 PARTITION OF extent FOR VALUES IN (5);
CREATE TABLE extent_6 PARTITION OF extent FOR VALUES IN (6);
CREATE TABLE extent_7 PARTITION OF extent FOR VALUES IN (7);

CREATE INDEX extent_by_offset ON extent (topic_id, partition, end_offset);

-- What a partition knows of a producer. Only changed under the lock of the partition's log head.
CREATE TABLE producer_partition (
    topic_id      integer     NOT NULL,
    partition     integer     NOT NULL,
    producer_id   bigint      NOT NULL,
    epoch         smallint    NOT NULL,
    run_slot      smallint    NOT NULL,              -- slot (0 to 4) that the next run overwrites
    next_sequence integer,                           -- after the last appended; NULL while only noted
    noted_lowest  integer,                           -- set while nothing was appended (noted only)
    updated_at    timestamptz NOT NULL,
    -- The last five runs, a ring of slots: first sequence, records (0: free), base offset, max timestamp.
    runs          bigint[]    NOT NULL,
    PRIMARY KEY (topic_id, partition, producer_id)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

INSERT INTO cluster (system_identifier, timeline) SELECT p.o_system, p.o_timeline FROM past_v1() p;
