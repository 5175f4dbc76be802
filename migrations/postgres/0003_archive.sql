-- Archiving: what is in archive segments, and which ingest segments wait for it.
--
-- New columns are NULL in rows from before, so that no row is written; the default is for new ones. The indexes
-- that this needs on tables in use are built without stopping commits: 0004.

-- When a segment was committed: those of one partition in the order of their offsets, because a commit inserts the
-- row while it holds the partitions' heads. NULL, which comes first: before this column.
ALTER TABLE segment ADD COLUMN committed_at timestamptz;
ALTER TABLE segment ALTER COLUMN committed_at SET DEFAULT clock_timestamp();
-- State 1: nothing needs the object since then.
ALTER TABLE segment ADD COLUMN released_at timestamptz;

-- Archive segments. Rows are written once, by the call that makes the segment referenced.
CREATE TABLE archive_segment (
    incarnation  uuid        NOT NULL,
    seq          bigint      NOT NULL,
    epoch        integer     NOT NULL,               -- cluster epoch in the object's key
    state        smallint    NOT NULL DEFAULT 0,     -- 0 live, 1 released
    object_bytes bigint      NOT NULL,
    released_at  timestamptz,
    PRIMARY KEY (incarnation, seq)
);
CREATE INDEX archive_segment_released ON archive_segment (released_at) WHERE state = 1;

-- What archive segments hold of a partition, a row for each chunk. End to end up to the head's archived_to.
CREATE TABLE archive_extent (
    topic_id       integer  NOT NULL,
    partition      integer  NOT NULL,
    base_offset    bigint   NOT NULL,
    end_offset     bigint   NOT NULL,
    kind           smallint NOT NULL,                -- 1 archive segment; 0 ingest segment: a hole
    epoch          integer  NOT NULL,
    incarnation    uuid     NOT NULL,
    seq            bigint   NOT NULL,
    object_bytes   bigint   NOT NULL,
    position       bigint   NOT NULL,
    bytes          bigint   NOT NULL,
    max_timestamp  bigint   NOT NULL,
    chunk_position bigint,                           -- these three are NULL in a hole
    chunk_bytes    bigint,
    chunk_crc      bigint,
    archived_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (topic_id, partition, end_offset)
);
CREATE INDEX archive_extent_by_segment ON archive_extent (incarnation, seq) WHERE kind = 1;

-- Who does a job at present. Only saves work: nothing rests on it.
CREATE TABLE job (
    name        text        PRIMARY KEY,
    incarnation uuid        NOT NULL,
    until       timestamptz NOT NULL
);

-- Complete when every bucket has its part: 0004.
CREATE INDEX extent_by_segment ON ONLY extent (incarnation, seq);
