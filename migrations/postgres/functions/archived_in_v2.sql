-- The extents in archive segments, by partition and offset, as of plan_v3. Those below the log start are not among
-- them: they go where they lie.
CREATE OR REPLACE FUNCTION archived_in_v2(p_incarnation uuid[], p_seq bigint[])
RETURNS TABLE (
    o_topic_id integer, o_partition integer, o_kind smallint, o_base_offset bigint, o_end_offset bigint,
    o_epoch integer, o_incarnation uuid, o_seq bigint, o_object_bytes bigint, o_position bigint, o_bytes bigint,
    o_max_timestamp bigint, o_chunk_position bigint, o_chunk_bytes bigint, o_chunk_crc bigint,
    o_producer_id bigint, o_producer_epoch smallint, o_transactional boolean
)
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $function$
BEGIN
    RETURN QUERY
    SELECT e.topic_id, e.partition, e.kind, e.base_offset, e.end_offset, e.epoch, e.incarnation, e.seq,
           e.object_bytes, e.position, e.bytes, e.max_timestamp, e.chunk_position, e.chunk_bytes, e.chunk_crc,
           NULL::bigint, NULL::smallint, false
    FROM (SELECT DISTINCT u.incarnation, u.seq FROM unnest(p_incarnation, p_seq) AS u (incarnation, seq)) q
    JOIN archive_extent e ON e.incarnation = q.incarnation AND e.seq = q.seq AND e.kind = 1
    JOIN log_head lh ON lh.topic_id = e.topic_id AND lh.partition = e.partition
    WHERE e.end_offset > lh.log_start
    ORDER BY e.topic_id, e.partition, e.base_offset;
END
$function$;
