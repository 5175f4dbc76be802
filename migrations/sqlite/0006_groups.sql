-- Groups: who coordinates them, and what coordinators keep.

-- incarnation: who took the shard last; NULL: it was given back. Whether that one lives, `agent` says.
-- written: the highest number of a write since it was taken.
CREATE TABLE coordinator_shard (
    shard       INTEGER PRIMARY KEY,
    incarnation BLOB,
    epoch       INTEGER NOT NULL,
    written     INTEGER NOT NULL DEFAULT 0
) STRICT;

-- empty_since_ms: since when the group has had no members; NULL: it has some. Ids sort by their bytes.
CREATE TABLE consumer_group (
    key            INTEGER PRIMARY KEY,
    shard          INTEGER NOT NULL,
    id             TEXT    NOT NULL,
    state          BLOB    NOT NULL,
    empty_since_ms INTEGER,
    UNIQUE (shard, id)
) STRICT;

CREATE TABLE group_member (
    group_key INTEGER NOT NULL,
    id        TEXT    NOT NULL,
    state     BLOB    NOT NULL,
    PRIMARY KEY (group_key, id)
) STRICT, WITHOUT ROWID;

-- The partition's topic may be gone: its offsets go when they expire.
CREATE TABLE group_offset (
    group_key        INTEGER NOT NULL,
    topic            INTEGER NOT NULL,
    partition        INTEGER NOT NULL,
    committed_offset INTEGER NOT NULL,
    leader_epoch     INTEGER NOT NULL,
    metadata         TEXT    NOT NULL,
    committed_ms     INTEGER NOT NULL,
    PRIMARY KEY (group_key, topic, partition)
) STRICT, WITHOUT ROWID;
