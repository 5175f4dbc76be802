-- What the manifests of partitions are to be made of: the log start, the present manifest (its version is 0 if there
-- is none), and the first archived extents by offset, at most so many. One row for each extent, or one whose extent is
-- NULL; none for a partition that does not exist.
--
-- What holds: as in plan_v3, all of it is one snapshot.
CREATE OR REPLACE FUNCTION to_merge_v1(p_topic integer[], p_partition integer[], p_extents_max bigint)
RETURNS TABLE (
    o_index bigint, o_topic_uuid uuid, o_log_start bigint, o_version bigint,
    o_manifest_topic uuid, o_manifest_epoch integer, o_manifest_incarnation uuid, o_manifest_seq bigint,
    o_manifest_bytes bigint, o_manifest_base bigint, o_manifest_end bigint,
    o_archived_ms bigint, o_kind smallint, o_base_offset bigint, o_end_offset bigint, o_epoch integer,
    o_incarnation uuid, o_seq bigint, o_object_bytes bigint, o_position bigint, o_bytes bigint,
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
    SELECT q.i, t.topic_uuid, lh.log_start, coalesce(m.version, 0),
           CASE WHEN m.topic_id IS NOT NULL THEN t.topic_uuid END, m.epoch, m.incarnation, m.seq, m.object_bytes,
           m.base_offset, m.end_offset,
           floor(extract(epoch FROM s.archived_at) * 1000)::bigint, s.kind, s.base_offset, s.end_offset, s.epoch,
           s.incarnation, s.seq, s.object_bytes, s.position, s.bytes, s.max_timestamp, s.chunk_position,
           s.chunk_bytes, s.chunk_crc, NULL::bigint, NULL::smallint, false
    FROM unnest(p_topic, p_partition) WITH ORDINALITY AS q (topic_id, partition, i)
    JOIN log_head lh ON lh.topic_id = q.topic_id AND lh.partition = q.partition
    JOIN topic t ON t.topic_id = lh.topic_id
    LEFT JOIN manifest m ON m.topic_id = lh.topic_id AND m.partition = lh.partition
    LEFT JOIN LATERAL (
        SELECT a.*
        FROM archive_extent a
        WHERE a.topic_id = lh.topic_id AND a.partition = lh.partition
        ORDER BY a.end_offset
        LIMIT p_extents_max
    ) s ON true
    ORDER BY q.i, s.end_offset;
END
$function$;
