-- Manifests: archived records whose extents are listed in the bucket, and objects that may go.
--
-- Of the tables in use only `topic`, `job`, `archive_segment` and `cluster` are locked, for a moment. Commits read the
-- one row of `cluster`: they wait as long as adding a column takes. No row is written: topics that were deleted before
-- have neither merged segments nor manifests. The indexes on other tables are built beforehand, without stopping
-- anybody.

-- `cluster` comes first: who commits reads it before anything else, so nobody who waits for it has another table that this
-- wants. If somebody keeps it for longer (a backup, say) commits wait a second, then this fails and can be repeated.
SET LOCAL lock_timeout = '1s';

-- When an operator accepted a server that may have lost commits; NULL: never. Not before any incarnation of then
-- registered, whichever clock said when.
ALTER TABLE cluster ADD COLUMN past_accepted_at timestamptz;

-- The present manifest of a partition, and enough of what is in it to tell when to look into it. Its records come
-- before those of archive_extent. Only changed under the lock of the partition's log head; version goes up by one.
CREATE TABLE manifest (
    topic_id         integer  NOT NULL,
    partition        integer  NOT NULL,
    version          bigint   NOT NULL,
    epoch            integer  NOT NULL,                -- cluster epoch in the object's key
    incarnation      uuid     NOT NULL,
    seq              bigint   NOT NULL,
    object_bytes     bigint   NOT NULL,
    base_offset      bigint   NOT NULL,
    end_offset       bigint   NOT NULL,
    objects          bigint   NOT NULL,                -- that it refers to, those below its leaves, too
    bytes            bigint   NOT NULL,                -- of batches
    first_end_offset bigint   NOT NULL,                -- these three are its first entry's
    first_bytes      bigint   NOT NULL,
    first_timestamp  bigint   NOT NULL,
    PRIMARY KEY (topic_id, partition)
);

-- Objects that a manifest referred to, or that were one, and that may go. Their topic may be gone, too.
CREATE TABLE unneeded_object (
    topic_uuid  uuid        NOT NULL,
    partition   integer     NOT NULL,
    kind        smallint    NOT NULL CHECK (kind IN (2, 3)),   -- 2 merged segment, 3 manifest
    incarnation uuid        NOT NULL,
    seq         bigint      NOT NULL,
    epoch       integer     NOT NULL,
    released_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (topic_uuid, partition, kind, incarnation, seq)
);
CREATE INDEX unneeded_object_released ON unneeded_object (released_at);

-- How much longer than others a released archive segment is kept, because records in it are lost.
ALTER TABLE archive_segment ADD COLUMN kept_ms bigint NOT NULL DEFAULT 0;

-- When a topic was deleted whose objects are still to be looked for; NULL: nothing of it is left.
ALTER TABLE topic ADD COLUMN to_empty_at timestamptz;
CREATE INDEX topic_to_empty ON topic (to_empty_at) WHERE to_empty_at IS NOT NULL;

-- What a job told last: numbers by name. And when all that it had to do was done last, whoever did it.
ALTER TABLE job ADD COLUMN report jsonb, ADD COLUMN report_at timestamptz, ADD COLUMN done_at timestamptz;
