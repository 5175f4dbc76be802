-- Forgets archived records below their partitions' log starts, at most so many chunks, and releases archive segments
-- that hold nothing else. Returns how many chunks were forgotten. What manifests list is left to merging.
--
-- What holds: a log start never goes back, so what was dead without a lock is dead. Chunks go in the order in which a
-- merge takes them: of two that want the same ones, the second waits and finds them gone. Moves leave them alone. No
-- head is locked: commits go on.
CREATE OR REPLACE FUNCTION drop_archived_v2(p_limit bigint) RETURNS bigint
LANGUAGE plpgsql
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $function$
DECLARE
    v_incarnation uuid[];
    v_seq         bigint[];
    v_dropped     bigint;
BEGIN
    WITH below AS MATERIALIZED (
        SELECT a.topic_id, a.partition, a.end_offset
        FROM log_head lh
        JOIN LATERAL (
            SELECT x.*
            FROM archive_extent x
            WHERE x.topic_id = lh.topic_id AND x.partition = lh.partition AND x.end_offset <= lh.log_start
            ORDER BY x.end_offset
            LIMIT p_limit
        ) a ON true
        WHERE lh.log_start > 0
        LIMIT p_limit
    ), dead AS MATERIALIZED (
        SELECT b.* FROM below b ORDER BY b.topic_id, b.partition, b.end_offset
    ), dropped AS (
        DELETE FROM archive_extent a
        USING dead d
        WHERE a.topic_id = d.topic_id AND a.partition = d.partition AND a.end_offset = d.end_offset
        RETURNING a.kind, a.incarnation, a.seq
    )
    SELECT count(*), array_agg(d.incarnation) FILTER (WHERE d.kind = 1), array_agg(d.seq) FILTER (WHERE d.kind = 1)
    INTO v_dropped, v_incarnation, v_seq
    FROM dropped d;
    -- pause: drop dropped
    -- Another statement: it sees what is left.
    IF v_seq IS NOT NULL THEN
        PERFORM release_archived_v1(v_incarnation, v_seq);
    END IF;
    RETURN v_dropped;
END
$function$;
