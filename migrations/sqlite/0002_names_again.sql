-- A topic whose name was deleted before has, in effect, forgotten the producers of the earlier one.
-- Names that were deleted before this migration are not known any more.

-- Names that were deleted, exactly as they were spelled, with the most partitions that a topic had under
-- each.
CREATE TABLE name_deleted (
    name       TEXT    PRIMARY KEY,
    partitions INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Producer ids below this were given out before the topic was created. 0: created before this column.
ALTER TABLE topic ADD COLUMN producer_ids_before INTEGER NOT NULL DEFAULT 0;
