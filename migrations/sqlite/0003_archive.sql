-- Archiving: records that lie in archive segments, and objects that may go.

-- When the segment was committed; NULL: before this migration, and so before all others.
ALTER TABLE segment ADD COLUMN committed_ms INTEGER;
-- state: 1 live, 2 tombstone, 3 released at released_ms: no record is read from it any more.
ALTER TABLE segment ADD COLUMN released_ms INTEGER;
CREATE INDEX segment_waiting ON segment (committed_ms, incarnation, seq) WHERE state = 1;
CREATE INDEX segment_released ON segment (released_ms) WHERE state = 3;

-- Whether a segment is still needed is asked of its extents.
CREATE INDEX extent_segment ON extent (segment);
-- From now on extents go with their topic; those of earlier deletions went nowhere.
DELETE FROM extent WHERE topic NOT IN (SELECT key FROM topic);

-- Archive segments that some extent was archived to. state: 1 live, 3 released.
CREATE TABLE archive_segment (
    incarnation  BLOB    NOT NULL,
    seq          INTEGER NOT NULL,
    epoch        INTEGER NOT NULL,
    object_bytes INTEGER NOT NULL,
    state        INTEGER NOT NULL,
    released_ms  INTEGER,
    PRIMARY KEY (incarnation, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX archive_segment_released ON archive_segment (released_ms) WHERE state = 3;

-- The records below log_head.archived_to. kind: 1 archive, 0 ingest: a hole, whose segment was to hold the
-- records; what is said of it is kept here, because the segment's own row goes.
CREATE TABLE archive_extent (
    topic          INTEGER NOT NULL,
    partition      INTEGER NOT NULL,
    base_offset    INTEGER NOT NULL,
    end_offset     INTEGER NOT NULL,
    kind           INTEGER NOT NULL,
    epoch          INTEGER NOT NULL,
    incarnation    BLOB    NOT NULL,
    seq            INTEGER NOT NULL,
    object_bytes   INTEGER NOT NULL,
    position       INTEGER NOT NULL,
    bytes          INTEGER NOT NULL,
    max_timestamp  INTEGER NOT NULL,
    -- NULL for holes.
    chunk_position INTEGER,
    chunk_bytes    INTEGER,
    chunk_crc      INTEGER,
    archived_ms    INTEGER NOT NULL,
    PRIMARY KEY (topic, partition, base_offset),
    CHECK (kind IN (0, 1)),
    CHECK ((kind = 1) = (chunk_position IS NOT NULL)),
    CHECK ((kind = 1) = (chunk_bytes IS NOT NULL)),
    CHECK ((kind = 1) = (chunk_crc IS NOT NULL))
) STRICT, WITHOUT ROWID;
-- Only of archive segments: ingest ones count their seqs on their own.
CREATE INDEX archive_extent_segment ON archive_extent (incarnation, seq) WHERE kind = 1;

-- Leases of work that one agent at a time should do.
CREATE TABLE job (
    name        TEXT    PRIMARY KEY,
    incarnation BLOB    NOT NULL,
    until_ms    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
