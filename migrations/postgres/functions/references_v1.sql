-- Which incarnations live, and what refers to the objects of partitions. o_what says what a row is about:
-- 0: o_index, an incarnation, lives. 1: o_index, a partition, exists; its manifest, and how many objects that refers
-- to, or NULL. 2: an object of the partition o_index that is to be removed and was not yet.
--
-- What holds: as in orphans_v1. All statements see one snapshot, so who does not live in it has made nothing refer to
-- its objects that the rows do not show. After another past was accepted, whoever is from before counts as living.
CREATE OR REPLACE FUNCTION references_v1(
    p_epoch integer, p_system bigint, p_timeline integer, p_incarnation uuid[],
    p_topic_uuid uuid[], p_partition integer[]
)
RETURNS TABLE (
    o_what smallint, o_index bigint, o_objects bigint,
    o_manifest_topic uuid, o_manifest_epoch integer, o_manifest_incarnation uuid, o_manifest_seq bigint,
    o_manifest_bytes bigint, o_manifest_base bigint, o_manifest_end bigint,
    o_kind smallint, o_epoch integer, o_incarnation uuid, o_seq bigint, o_topic_uuid uuid, o_partition integer
)
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $function$
DECLARE
    v_epoch integer;
BEGIN
    SELECT c.epoch INTO STRICT v_epoch FROM cluster c;
    IF v_epoch <> p_epoch THEN
        RAISE EXCEPTION 'wrong cluster epoch' USING ERRCODE = 'ES002', DETAIL = v_epoch;
    END IF;
    PERFORM same_past_v1(p_system, p_timeline);

    RETURN QUERY
    SELECT 0::smallint, q.i, NULL::bigint,
           NULL::uuid, NULL::integer, NULL::uuid, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint,
           NULL::smallint, NULL::integer, NULL::uuid, NULL::bigint, NULL::uuid, NULL::integer
    FROM unnest(p_incarnation) WITH ORDINALITY AS q (incarnation, i)
    LEFT JOIN agent a ON a.incarnation = q.incarnation
    WHERE a.state = 0 OR from_lost_past_v1(q.incarnation);

    RETURN QUERY
    SELECT 1::smallint, q.i, m.objects,
           CASE WHEN m.topic_id IS NOT NULL THEN t.topic_uuid END, m.epoch, m.incarnation, m.seq, m.object_bytes,
           m.base_offset, m.end_offset,
           NULL::smallint, NULL::integer, NULL::uuid, NULL::bigint, NULL::uuid, NULL::integer
    FROM unnest(p_topic_uuid, p_partition) WITH ORDINALITY AS q (topic_uuid, partition, i)
    JOIN topic t ON t.topic_uuid = q.topic_uuid
    JOIN log_head lh ON lh.topic_id = t.topic_id AND lh.partition = q.partition
    LEFT JOIN manifest m ON m.topic_id = lh.topic_id AND m.partition = lh.partition;

    RETURN QUERY
    SELECT 2::smallint, q.i, NULL::bigint,
           NULL::uuid, NULL::integer, NULL::uuid, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint,
           o.kind, o.epoch, o.incarnation, o.seq, o.topic_uuid, o.partition
    FROM unnest(p_topic_uuid, p_partition) WITH ORDINALITY AS q (topic_uuid, partition, i)
    JOIN unneeded_object o ON o.topic_uuid = q.topic_uuid AND o.partition = q.partition
    ORDER BY q.i, o.kind, o.incarnation, o.seq;
END
$function$;
