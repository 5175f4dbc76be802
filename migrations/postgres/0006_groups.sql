-- Groups: who coordinates them, and what coordinators keep. New tables only: nobody in operation waits for anything.
--
-- Ids and metadata are bytea: clients choose them, and text cannot hold the character NUL. They sort by their bytes, as
-- everywhere else in this program, whatever the database's collation.

-- The fence row of a shard. Whoever writes in the name of its holder takes FOR NO KEY UPDATE and looks at holder and epoch;
-- whoever takes the shard or gives it back takes FOR UPDATE first. Whether the holder lives, its own fence row says.
-- Every write updates the row: no column that changes is in an index, and half of each page is free.
CREATE TABLE coordinator_shard (
    shard       smallint PRIMARY KEY,
    incarnation uuid,                                 -- who took it last; NULL: it was given back
    epoch       bigint   NOT NULL,                    -- goes up by one each time it is taken
    written     bigint   NOT NULL DEFAULT 0           -- the highest number of a write since then
) WITH (fillfactor = 50);

-- No column that changes is in an index: updates stay HOT.
CREATE TABLE consumer_group (
    shard       smallint NOT NULL,
    id          bytea    NOT NULL,
    group_key   bigint   GENERATED ALWAYS AS IDENTITY (START WITH 1),
    state       bytea    NOT NULL,
    empty_since timestamptz,                          -- since when it has had no members; NULL: it has some
    PRIMARY KEY (shard, id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE group_member (
    group_key bigint NOT NULL,
    member_id bytea  NOT NULL,
    state     bytea  NOT NULL,
    PRIMARY KEY (group_key, member_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

-- Updated by every commit of offsets: half of each page is free. The partition's topic may be gone: its offsets go when
-- they expire.
CREATE TABLE group_offset (
    group_key        bigint      NOT NULL,
    topic_id         integer     NOT NULL,
    partition        integer     NOT NULL,
    committed_offset bigint      NOT NULL,
    leader_epoch     integer     NOT NULL,
    committed_at     timestamptz NOT NULL,
    metadata         bytea       NOT NULL,
    PRIMARY KEY (group_key, topic_id, partition)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
