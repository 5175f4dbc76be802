-- Forgets those of the named offsets of a shard's groups that were committed `p_age_ms` ago or before. Returns whether the
-- incarnation holds the shard with this epoch, and no call with this number or a higher one was made under it: if not,
-- nothing is forgotten.
--
-- What holds:
-- * A fenced or unknown incarnation and another past each raise an error: then nothing was changed.
-- * As in write_groups_v1 the shard is locked before the fence row, and calls for it come one after the other, ascending by
--   number: one that nobody waits for any more forgets nothing behind the back of a later one.
-- * How old an offset is is looked at alone on the shard: one that was just committed stays.
CREATE OR REPLACE FUNCTION forget_offsets_v1(
    p_system bigint, p_timeline integer, p_incarnation uuid,
    p_shard smallint, p_epoch bigint, p_number bigint, p_age_ms bigint,
    p_group bytea[], p_topic integer[], p_partition integer[],
    OUT o_held boolean
)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_bitmapscan = off
AS $function$
DECLARE
    v_state  smallint;
    v_before timestamptz;
BEGIN
    PERFORM set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') <> 'on';
    PERFORM same_past_v1(p_system, p_timeline);
    -- pause: forget begins

    PERFORM 1 FROM coordinator_shard s WHERE s.shard = p_shard FOR NO KEY UPDATE;
    SELECT a.state INTO v_state FROM agent a WHERE a.incarnation = p_incarnation FOR KEY SHARE;
    IF v_state IS DISTINCT FROM 0 THEN
        RAISE EXCEPTION 'fenced' USING ERRCODE = 'ES001';
    END IF;

    UPDATE coordinator_shard s SET written = p_number
    WHERE s.shard = p_shard AND s.epoch = p_epoch AND s.incarnation = p_incarnation AND s.written < p_number;
    o_held := FOUND;
    IF NOT o_held THEN
        RETURN;
    END IF;
    v_before := clock_timestamp() - make_interval(secs => p_age_ms / 1000.0);
    -- pause: forget holds shard

    DELETE FROM group_offset o
    USING unnest(p_group, p_topic, p_partition) AS q (id, topic_id, partition), consumer_group c
    WHERE c.shard = p_shard AND c.id = q.id
        AND o.group_key = c.group_key AND o.topic_id = q.topic_id AND o.partition = q.partition
        AND o.committed_at <= v_before;
END
$function$;
