-- Which of ingest and archive segments (kinds 0 and 1) nothing knows, and nothing can come to know: their places, from
-- 1. Others are never among them.
--
-- What holds: another cluster epoch and another past each raise an error: a server that lost commits does not know what
-- is needed. STABLE functions see the snapshot of the statement that called them. Who does not live in it has ended
-- after all its commits and archivings, so the snapshot shows what they made referenced: the fence row is taken by each
-- of them, and ended under a lock that waits for them. Who lives may be just about to commit or to archive; but what it
-- has settled without a row it will never commit. After another past was accepted, nothing from before is an orphan.
CREATE OR REPLACE FUNCTION orphans_v1(
    p_epoch integer, p_system bigint, p_timeline integer, p_kind smallint[], p_incarnation uuid[], p_seq bigint[]
)
RETURNS SETOF bigint
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
    SELECT q.i
    FROM unnest(p_kind, p_incarnation, p_seq) WITH ORDINALITY AS q (kind, incarnation, seq, i)
    LEFT JOIN segment s ON q.kind = 0 AND s.incarnation = q.incarnation AND s.seq = q.seq
    LEFT JOIN archive_segment x ON q.kind = 1 AND x.incarnation = q.incarnation AND x.seq = q.seq
    LEFT JOIN agent live ON live.incarnation = q.incarnation AND live.state = 0
    WHERE CASE q.kind
        WHEN 0 THEN s.seq IS NULL AND q.seq <= settled_through_v1(q.incarnation)
        WHEN 1 THEN x.seq IS NULL AND live.incarnation IS NULL
        ELSE false
    END
        AND NOT from_lost_past_v1(q.incarnation)
    ORDER BY q.i;
END
$function$;
