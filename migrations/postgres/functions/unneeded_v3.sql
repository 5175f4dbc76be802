-- Objects that were released, or tombstoned, so long ago: the oldest first, after the first so many. The tombstone of an
-- ingest segment of an incarnation that lives is among them only if that has settled it: its object may still come.
CREATE OR REPLACE FUNCTION unneeded_v3(p_grace_ms bigint, p_skip bigint, p_limit bigint)
RETURNS TABLE (
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
    c_most   CONSTANT bigint := 4611686018427387903;
    v_first  bigint := least(p_skip, c_most) + least(p_limit, c_most);
    v_before timestamptz := clock_timestamp() - make_interval(secs => p_grace_ms / 1000.0);
BEGIN
    RETURN QUERY
    SELECT u.kind, u.epoch, u.incarnation, u.seq, u.topic_uuid, u.partition
    FROM (
        (SELECT 0::smallint AS kind, a.epoch, s.incarnation, s.seq, NULL::uuid AS topic_uuid,
                NULL::integer AS partition, s.released_at AS since
         FROM segment s
         JOIN agent a ON a.incarnation = s.incarnation
         WHERE s.state = 1 AND s.released_at <= v_before
         ORDER BY s.released_at, s.incarnation, s.seq
         LIMIT v_first)
        UNION ALL
        -- Tombstones; those that have no time come first.
        (SELECT 0::smallint, a.epoch, s.incarnation, s.seq, NULL, NULL, coalesce(s.committed_at, timestamptz 'epoch')
         FROM segment s
         JOIN agent a ON a.incarnation = s.incarnation
         WHERE s.state = 2 AND coalesce(s.committed_at, timestamptz 'epoch') <= v_before
             AND s.seq <= settled_through_v1(s.incarnation)
         ORDER BY s.committed_at NULLS FIRST, s.incarnation, s.seq
         LIMIT v_first)
        UNION ALL
        (SELECT 1::smallint, s.epoch, s.incarnation, s.seq, NULL, NULL, s.released_at
         FROM archive_segment s
         WHERE s.state = 1 AND s.released_at <= v_before
         ORDER BY s.released_at, s.incarnation, s.seq
         LIMIT v_first)
        UNION ALL
        (SELECT o.kind, o.epoch, o.incarnation, o.seq, o.topic_uuid, o.partition, o.released_at
         FROM unneeded_object o
         WHERE o.released_at <= v_before
         ORDER BY o.released_at, o.incarnation, o.seq, o.kind
         LIMIT v_first)
    ) u
    ORDER BY u.since, u.incarnation, u.seq, u.kind, u.topic_uuid, u.partition
    LIMIT p_limit
    OFFSET p_skip;
END
$function$;
