-- Offsets that groups committed: of all partitions of a request, or of those that refer to it, by index from 1. Ascending
-- by request and partition.
--
-- What holds: one snapshot, that of the calling statement.
CREATE OR REPLACE FUNCTION committed_offsets_v1(
    -- Requests.
    p_shard smallint[], p_group bytea[], p_every boolean[],
    -- Partitions of those that do not ask for every one.
    p_of integer[], p_topic integer[], p_partition integer[]
) RETURNS TABLE (
    o_request integer, o_topic_id integer, o_partition integer,
    o_offset bigint, o_leader_epoch integer, o_metadata bytea
)
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_bitmapscan = off
AS $function$
DECLARE
    v_key bigint[];        -- by request; 0: there is no such group
BEGIN
    SELECT array_agg(coalesce(c.group_key, 0) ORDER BY q.i) INTO v_key
    FROM unnest(p_shard, p_group) WITH ORDINALITY AS q (shard, id, i)
    LEFT JOIN consumer_group c ON c.shard = q.shard AND c.id = q.id;

    RETURN QUERY
    SELECT q.i::integer, o.topic_id, o.partition, o.committed_offset, o.leader_epoch, o.metadata
    FROM unnest(v_key, p_every) WITH ORDINALITY AS q (group_key, every, i)
    JOIN group_offset o ON o.group_key = q.group_key
    WHERE q.every
    UNION ALL
    SELECT q.of, o.topic_id, o.partition, o.committed_offset, o.leader_epoch, o.metadata
    FROM unnest(p_of, p_topic, p_partition) AS q (of, topic_id, partition)
    JOIN group_offset o
        ON o.group_key = v_key[q.of] AND o.topic_id = q.topic_id AND o.partition = q.partition
    ORDER BY 1, 2, 3;
END
$function$;
