-- Says that nothing is left of deleted topics. Those that live, and unknown ones, are passed over.
--
-- What holds: locks are taken in the order of the topics' keys.
CREATE OR REPLACE FUNCTION topics_emptied_v1(p_uuid uuid[]) RETURNS void
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $function$
BEGIN
    PERFORM 1 FROM topic t
    WHERE t.topic_uuid = ANY (p_uuid) AND t.to_empty_at IS NOT NULL
    ORDER BY t.topic_id
    FOR NO KEY UPDATE;

    UPDATE topic t SET to_empty_at = NULL WHERE t.topic_uuid = ANY (p_uuid) AND t.to_empty_at IS NOT NULL;
END
$function$;
