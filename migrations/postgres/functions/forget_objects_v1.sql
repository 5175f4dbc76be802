-- Removes the rows of objects that were unneeded and are gone: released and tombstoned segments (kinds 0 and 1),
-- merged segments and manifests (2 and 3).
--
-- What holds: the row of an ingest segment that a living incarnation has not settled stays, whoever asks: that one may
-- still ask what became of it. Rows go in the order of their keys.
CREATE OR REPLACE FUNCTION forget_objects_v1(
    p_kind smallint[], p_incarnation uuid[], p_seq bigint[], p_topic_uuid uuid[], p_partition integer[]
)
RETURNS void
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $function$
BEGIN
    DELETE FROM segment s
    USING (
        SELECT u.incarnation, u.seq
        FROM unnest(p_kind, p_incarnation, p_seq) AS u (kind, incarnation, seq)
        WHERE u.kind = 0
        ORDER BY u.incarnation, u.seq
    ) q
    WHERE s.incarnation = q.incarnation AND s.seq = q.seq AND s.state IN (1, 2)
        AND s.seq <= settled_through_v1(s.incarnation);

    DELETE FROM archive_segment s
    USING (
        SELECT u.incarnation, u.seq
        FROM unnest(p_kind, p_incarnation, p_seq) AS u (kind, incarnation, seq)
        WHERE u.kind = 1
        ORDER BY u.incarnation, u.seq
    ) q
    WHERE s.incarnation = q.incarnation AND s.seq = q.seq AND s.state = 1;

    DELETE FROM unneeded_object o
    USING (
        SELECT u.*
        FROM unnest(p_kind, p_incarnation, p_seq, p_topic_uuid, p_partition)
            AS u (kind, incarnation, seq, topic_uuid, partition)
        WHERE u.kind IN (2, 3)
        ORDER BY u.topic_uuid, u.partition, u.kind, u.incarnation, u.seq
    ) q
    WHERE o.topic_uuid = q.topic_uuid AND o.partition = q.partition AND o.kind = q.kind
        AND o.incarnation = q.incarnation AND o.seq = q.seq;
END
$function$;
