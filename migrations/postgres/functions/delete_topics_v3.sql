-- Deletes topics with their log heads and what they know of producers. True per topic that existed.
--
-- What holds: a commit, an archiver or a merger either ended before, or finds no head. The topic's row stays, so that
-- neither its id nor its key is used again; its extents go with their buckets (nothing finds them without a head).
-- Archive segments that held nothing else are released. Merged segments and manifests are the topic's alone: who
-- empties it finds them in the bucket.
CREATE OR REPLACE FUNCTION delete_topics_v3(p_uuid uuid[])
RETURNS SETOF boolean
LANGUAGE plpgsql
-- Rows are deleted in the order of their keys, as others delete them.
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $function$
DECLARE
    v_version     bigint;
    v_topics      integer[];
    v_deleted     boolean[];
    v_topic       integer;
    v_incarnation uuid[];
    v_seq         bigint[];
BEGIN
    SELECT c.catalog_version INTO STRICT v_version FROM cluster c FOR NO KEY UPDATE;
    -- pause: delete holds catalog

    FOR i IN 1 .. cardinality(p_uuid) LOOP
        UPDATE topic t SET state = 1, version = v_version + 1, to_empty_at = clock_timestamp()
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
    DELETE FROM manifest m WHERE m.topic_id = ANY (v_topics);

    WITH dropped AS (
        DELETE FROM archive_extent e WHERE e.topic_id = ANY (v_topics)
        RETURNING e.kind, e.incarnation, e.seq
    )
    SELECT array_agg(d.incarnation), array_agg(d.seq) INTO v_incarnation, v_seq
    FROM dropped d
    WHERE d.kind = 1;
    -- Another statement: it sees what is left.
    IF v_seq IS NOT NULL THEN
        PERFORM release_archived_v1(v_incarnation, v_seq);
    END IF;

    UPDATE cluster SET catalog_version = v_version WHERE catalog_version <> v_version;
    RETURN QUERY SELECT u FROM unnest(v_deleted) WITH ORDINALITY AS d (u, i) ORDER BY i;
END
$function$;
