-- Manifests: archived records whose extents are listed in the bucket, and objects that may go.

-- The present manifest of a partition, and enough of what is in it to tell when to look into it. Its records come
-- before those of archive_extent. version goes up by one with each.
CREATE TABLE manifest (
    topic            INTEGER NOT NULL,
    partition        INTEGER NOT NULL,
    version          INTEGER NOT NULL,
    epoch            INTEGER NOT NULL,
    incarnation      BLOB    NOT NULL,
    seq              INTEGER NOT NULL,
    object_bytes     INTEGER NOT NULL,
    base_offset      INTEGER NOT NULL,
    end_offset       INTEGER NOT NULL,
    objects          INTEGER NOT NULL,
    bytes            INTEGER NOT NULL,
    first_end_offset INTEGER NOT NULL,
    first_bytes      INTEGER NOT NULL,
    first_timestamp  INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)
) STRICT, WITHOUT ROWID;

-- Objects that a manifest referred to, or that were one. kind: 2 merged segment, 3 manifest.
CREATE TABLE unneeded_object (
    topic_uuid  BLOB    NOT NULL,
    partition   INTEGER NOT NULL,
    kind        INTEGER NOT NULL,
    incarnation BLOB    NOT NULL,
    seq         INTEGER NOT NULL,
    epoch       INTEGER NOT NULL,
    released_ms INTEGER NOT NULL,
    PRIMARY KEY (topic_uuid, partition, kind, incarnation, seq),
    CHECK (kind IN (2, 3))
) STRICT, WITHOUT ROWID;
CREATE INDEX unneeded_object_released ON unneeded_object (released_ms);

-- How much longer than others a released segment is kept, because records in it are lost.
ALTER TABLE segment ADD COLUMN kept_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE archive_segment ADD COLUMN kept_ms INTEGER NOT NULL DEFAULT 0;
-- Tombstones go, too. Those from before have no time: they come first.
CREATE INDEX segment_tombstone ON segment (committed_ms) WHERE state = 2;
CREATE INDEX archive_extent_hole ON archive_extent (incarnation, seq) WHERE kind = 0;

-- When a topic was deleted whose objects are still to be looked for; NULL: nothing of it is left.
ALTER TABLE topic_deleted ADD COLUMN to_empty_ms INTEGER;
CREATE INDEX topic_to_empty ON topic_deleted (to_empty_ms) WHERE to_empty_ms IS NOT NULL;
CREATE INDEX topic_deleted_uuid ON topic_deleted (uuid);

-- Incarnations that ended are looked for by the sweep; state 4: swept.
CREATE INDEX agent_ended ON agent (state) WHERE state <> 1;

-- What a job told last: numbers by name, as JSON. And when all that it had to do was done last, whoever did it.
ALTER TABLE job ADD COLUMN report TEXT;
ALTER TABLE job ADD COLUMN report_ms INTEGER;
ALTER TABLE job ADD COLUMN done_ms INTEGER;
