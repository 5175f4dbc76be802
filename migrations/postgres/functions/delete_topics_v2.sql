-- Deletes topics with their log heads and what they know of producers. True per topic that existed.
--
-- What holds: a commit either ended before, or finds no head. The topic's row stays, so that neither its
-- id nor its key is used again; its extents go with their buckets (nothing finds them without a head). Archive
-- segments that held nothing else are released.
CREATE OR REPLACE FUNCTION delete_topics_v2(p_uuid uuid[])
RETURNS SETOF boolean
LANGUAGE plpgsql
AS $function$
DECLARE
    v_version bigint;
    v_topics  integer[];
    v_deleted boolean[];
    v_topic   integer;
BEGIN
    SELECT c.catalog_version INTO STRICT v_version FROM cluster c FOR NO KEY UPDATE;
    -- pause: delete holds catalog

    FOR i IN 1 .. cardinality(p_uuid) LOOP
        UPDATE topic t SET state = 1, version = v_version + 1
        WHERE t.topic_uuid = p_uuid[i] AND t.state = 0
        RETURNING t.topic_id INTO v_topic;
        v_deleted[i] := FOUND;
        IF FOUND THEN
            v_version := v_version + 1;
            v_topics := v_topics || v_topic;
        END IF;
    END LOOP;

    -- The order in which commits lock them.
    PERFORM 1 FROM log_head lh WHERE lh.topic_id = ANY (v_topics)
    ORDER BY lh.topic_id, lh.partition
    FOR UPDATE;
    -- pause: delete holds heads

    DELETE FROM producer_partition pp WHERE pp.topic_id = ANY (v_topics);
    DELETE FROM epoch_start es WHERE es.topic_id = ANY (v_topics);
    DELETE FROM log_head lh WHERE lh.topic_id = ANY (v_topics);

    WITH dropped AS (
        DELETE FROM archive_extent e WHERE e.topic_id = ANY (v_topics)
        RETURNING e.kind, e.incarnation, e.seq
    )
    UPDATE archive_segment s SET state = 1, released_at = clock_timestamp()
    FROM (SELECT DISTINCT d.incarnation, d.seq FROM dropped d WHERE d.kind = 1) d
    WHERE s.incarnation = d.incarnation AND s.seq = d.seq AND s.state = 0
        -- The statement's snapshot still has what it drops.
        AND NOT EXISTS (
            SELECT FROM archive_extent e
            WHERE e.incarnation = s.incarnation AND e.seq = s.seq AND e.kind = 1 AND NOT e.topic_id = ANY (v_topics));

    UPDATE cluster SET catalog_version = v_version WHERE catalog_version <> v_version;
    RETURN QUERY SELECT u FROM unnest(v_deleted) WITH ORDINALITY AS d (u, i) ORDER BY i;
END
$function$;
