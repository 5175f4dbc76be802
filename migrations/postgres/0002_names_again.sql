-- A topic whose name was deleted before has, in effect, forgotten the producers of the earlier one.
--
-- Both statements lock `topic` only, which no commit reads: catalog changes wait for a moment, produce
-- does not. The column's default is a constant, so that no row is written.

-- Producer ids below this were given out before the topic was created. 0: created before this column.
ALTER TABLE topic ADD COLUMN producer_ids_before bigint NOT NULL DEFAULT 0;

-- Deleted rows stay for ever; a creation looks up those of its name.
CREATE INDEX topic_deleted_name ON topic (name) WHERE state = 1;
