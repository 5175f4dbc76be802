-- Forgets offsets of a shard's groups whose time is over or whose topics are gone, at most `p_limit`. Returns the groups
-- without members, at most `p_limit`, for which no offset is kept then, ascending: no row if the shard is not held by
-- this incarnation with this epoch; one without a group if it is, and there is none. Each row says whether there were
-- `p_limit` to forget, so that there may be more.
--
-- What holds: what goes is looked for without a lock, because that may take long, and looked at again alone on the shard:
-- no group has just got a member, and no offset was just committed. Who has a group go afterwards looks again, too.
CREATE OR REPLACE FUNCTION expire_offsets_v2(
    p_incarnation uuid, p_shard smallint, p_epoch bigint, p_retention_ms bigint, p_limit bigint
) RETURNS TABLE (o_more boolean, o_id bytea)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_bitmapscan = off
AS $function$
DECLARE
    v_before    timestamptz := clock_timestamp() - make_interval(secs => p_retention_ms / 1000.0);
    v_group     bytea[];
    v_topic     integer[];
    v_partition integer[];
    v_state     smallint;
BEGIN
    SELECT array_agg(l.id), array_agg(l.topic_id), array_agg(l.partition) INTO v_group, v_topic, v_partition
    FROM (
        SELECT c.id, o.topic_id, o.partition
        FROM consumer_group c
        JOIN group_offset o ON o.group_key = c.group_key
        WHERE c.shard = p_shard
            AND (NOT EXISTS (SELECT FROM topic t WHERE t.topic_id = o.topic_id AND t.state = 0)
                 OR (c.empty_since <= v_before AND o.committed_at <= v_before))
        LIMIT p_limit
    ) l;
    -- pause: expire found offsets

    IF v_group IS NULL THEN
        SELECT a.state INTO v_state FROM agent a WHERE a.incarnation = p_incarnation;
    ELSE
        PERFORM 1 FROM coordinator_shard s WHERE s.shard = p_shard AND s.incarnation = p_incarnation FOR UPDATE;
        SELECT a.state INTO v_state FROM agent a WHERE a.incarnation = p_incarnation FOR KEY SHARE;
    END IF;
    -- pause: expire holds shard
    IF v_state IS DISTINCT FROM 0 OR NOT EXISTS (
        SELECT FROM coordinator_shard s
        WHERE s.shard = p_shard AND s.epoch = p_epoch AND s.incarnation = p_incarnation)
    THEN
        RETURN;
    END IF;

    IF v_group IS NOT NULL THEN
        DELETE FROM group_offset o
        USING unnest(v_group, v_topic, v_partition) AS q (id, topic_id, partition), consumer_group c
        WHERE c.shard = p_shard AND c.id = q.id
            AND o.group_key = c.group_key AND o.topic_id = q.topic_id AND o.partition = q.partition
            AND (NOT EXISTS (SELECT FROM topic t WHERE t.topic_id = q.topic_id AND t.state = 0)
                 OR (c.empty_since <= v_before AND o.committed_at <= v_before));
    END IF;

    RETURN QUERY
    SELECT coalesce(cardinality(v_group), 0) >= p_limit, g.id
    FROM (SELECT 1) one
    LEFT JOIN (
        SELECT c.id
        FROM consumer_group c
        WHERE c.shard = p_shard AND c.empty_since IS NOT NULL
            AND NOT EXISTS (SELECT FROM group_offset o WHERE o.group_key = c.group_key)
        ORDER BY c.id
        LIMIT p_limit
    ) g ON true
    ORDER BY g.id;
END
$function$;
